"""Which labels an archive has most: DuckDB reads the rows of `perceiverflow batch --task classify`.

    pip install duckdb
    python labels_duckdb.py OUT
"""

import sys

import duckdb

table = f"{sys.argv[1]}/results.parquet"
print(
    duckdb.sql(
        f"""
        SELECT best.label AS label, count(*) AS windows, count(DISTINCT file) AS files, round(avg(best.score), 3) AS score
        FROM (SELECT file, labels[1] AS best FROM read_parquet('{table}') WHERE len(labels) > 0)
        GROUP BY ALL ORDER BY windows DESC LIMIT 20
        """
    )
)
