"""Where an archive moves most: pandas reads the rows of `perceiverflow batch --task flow`.

    pip install pandas
    python motion_pandas.py OUT
"""

import sys

import pandas

rows = pandas.read_json(f"{sys.argv[1]}/results.jsonl", lines=True)
flow = pandas.json_normalize(rows["flow"].tolist())
rows["mean"] = flow["mean"]
by_file = rows.groupby("file")["mean"].agg(["count", "mean", "max"]).sort_values("mean", ascending=False)
print(by_file.head(20).round(3).to_string())
