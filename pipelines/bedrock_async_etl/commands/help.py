"""The help of a command: its options in panels, and its examples."""

from textwrap import indent
from typing import Any

from typer import BadParameter
from typer.core import TyperCommand


class PanelledCommand(TyperCommand):
    """A command whose help has a part for each panel of options.

    Typer draws panels only with Rich, which joins the examples' lines and imports too slowly for a
    help.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; an error begins with what is wrong, not with pydantic's word for it."""
        try:
            return super().parse_args(ctx, args)
        except BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, each panel in the order of its first option, and options without one."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            is_argument = parameter.param_type_name == "argument"
            default = "Arguments" if is_argument else "Options"
            panel = getattr(parameter, "rich_help_panel", None) or default
            if record := parameter.get_help_record(ctx):
                panels.setdefault(panel, []).append(record)
        for title, records in panels.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def epilog(examples: str) -> str:
    r"""The end of a command's help; `\b` keeps each line of a paragraph as it is."""
    paragraphs = indent(examples, "  ").split("\n\n")
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in ["Examples:", *paragraphs])
