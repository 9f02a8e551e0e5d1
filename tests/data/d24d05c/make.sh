# Makes the files beside this one, with `svdd` of commit d24d05c, in this folder: PYTHONPATH=. bash make.sh
set -e
run="--model rna-utr --steps 3 --samples 2 --method svdd --candidates 2 --seed 3 --quiet"
svdd run $run --reward gc-content --out finished
rm finished/report.html finished/steps.parquet # the largest of them, which nothing reads back
SVDD_STOP=1 svdd run $run --reward rewards:count_g --out unfinished || test $? = 130
svdd run $run --reward gc-content --cache scores.sqlite --out scored
rm -r scored
python - <<'P'
import svdd
from rewards import count_g

process = svdd.load("rna-utr", steps=3)
small = {"network": "convolutional", "network_options": {"channels": 4, "layers": 1}}
work = {"rollouts": 16, "states": 2, "train_steps": 5, "held_out": 0, "nested": (0, 0), "candidates": 0}
svdd.fit_value(process, count_g, **small, **work).save("value")
P
