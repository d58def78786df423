"""The commands, one module each: options, help, examples, output. They import late."""
