"""A lake of Parquet or Delta tables, in a folder or on S3, as a destination."""
