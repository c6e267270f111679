"""Where an archive moves most: pandas reads the rows of `perceiverflow batch --task flow`.

    pip install pandas pyarrow
    python motion_pandas.py OUT
"""

import sys

import pandas

rows = pandas.read_parquet(f"{sys.argv[1]}/results.parquet", columns=["file", "flow_mean"])
by_file = rows.groupby("file")["flow_mean"].agg(["count", "mean", "max"]).sort_values("mean", ascending=False)
print(by_file.head(20).round(3).to_string())
