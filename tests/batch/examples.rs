//! What `examples/archive` and `examples/ray` say works: readers of the results, schedulers, a cluster.
//!
//! The Python ones are skipped, and say so, where the interpreter that the variable `PYTHON` names (else `python3`) lacks what they read with.

use std::{path::Path, process::Command};

use crate::place::{Place, clips, flow};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// An interpreter with these modules.
fn python(modules: &str) -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    println!("skipped: {python} has no {modules}; the variable PYTHON names another interpreter");
    None
}

/// What succeeds; its standard output.
fn says(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complained}");
    said.into_owned()
}

/// `PATH` with the program in it.
fn path_with_program() -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_perceiverflow")).parent().unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn duckdb_counts_labels() {
    let Some(python) = python("duckdb") else { return };
    let place = Place::new(&[8]).with_multimodal_model();
    place.well(&clips("classify", "out", &[]));
    let said = says(Command::new(python).arg(format!("{EXAMPLES}/archive/labels_duckdb.py")).arg(place.path("out")));
    assert!(said.contains("LABEL_") && said.contains("windows"), "{said}");
}

#[test]
fn pandas_finds_motion() {
    let Some(python) = python("pandas, pyarrow") else { return };
    let place = Place::new(&[4, 6]);
    place.well(&flow("out", &[]));
    let said = says(Command::new(python).arg(format!("{EXAMPLES}/archive/motion_pandas.py")).arg(place.path("out")));
    assert!(said.contains("in/clip-0.mp4") && said.contains("in/clip-1.mp4"), "{said}");
}

/// Kubernetes runs the command of its manifest once for each completion: here it runs the same way, with other folders, and one file fails.
#[cfg(unix)]
#[test]
fn an_indexed_job_makes_all_shards() {
    let manifest = std::fs::read_to_string(format!("{EXAMPLES}/archive/kubernetes.yaml")).unwrap();
    let value = |name: &str| manifest.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().trim().to_owned();
    let completions = value("completions:");
    assert!(manifest.contains(&format!("JOB_COMPLETIONS, value: \"{completions}\"")));
    let place = Place::new(&[4, 6]);
    std::fs::write(place.path("in/text.mp4"), "no video").unwrap();
    let line = value("command: [sh, -c, '");
    let line = line.strip_suffix("', perceiverflow]").unwrap();
    let list = value("args: [").replace(['"', ']'], "").replace("/archive", "in").replace("/results/flow", "out");
    for index in 0..completions.parse().unwrap() {
        let mut command = Command::new("sh");
        command.args(["-c", line, "perceiverflow"]).args(list.split(", ")).current_dir(place.path(""));
        command.env("PATH", path_with_program());
        command.env("JOB_COMPLETION_INDEX", i32::to_string(&index)).env("JOB_COMPLETIONS", &completions);
        says(&mut command);
    }
    place.ends(3, &["batch", "merge", "out", "--out", "merged"]);
    assert_eq!(place.rows("merged").len(), 3 + 5);
}

/// What the image is built with is what every machine is set up with.
#[test]
fn the_image_is_built_with_the_packages_of_the_makefile() {
    let read = |name: &str| std::fs::read_to_string(format!("{EXAMPLES}/../{name}")).unwrap();
    let words = |text: &str| -> Vec<String> { text.replace('\\', " ").split_whitespace().map(str::to_owned).collect() };
    let makefile = read("Makefile");
    let packages = words(makefile.split_once("PACKAGES :=").unwrap().1.split_once("\n\n").unwrap().0);
    let dockerfile = read("examples/archive/Dockerfile");
    let install = dockerfile.split_once("--no-install-recommends").unwrap().1.split_once("&&").unwrap().0;
    let libav: Vec<String> = words(install);
    assert!(libav.len() > 5 && libav.iter().all(|package| packages.contains(package)), "{libav:?} and {packages:?}");
    let runtime = dockerfile.rsplit_once("--no-install-recommends").unwrap().1.split_once("&&").unwrap().0;
    let needs = |library: &str| runtime.contains(library.trim_end_matches("-dev"));
    assert!(libav.iter().filter(|package| package.starts_with("libav") || package.starts_with("libsw")).all(|l| needs(l)));
}

#[cfg(unix)]
#[test]
fn an_array_of_slurm_makes_all_shards() {
    let script = format!("{EXAMPLES}/archive/slurm.sh");
    let text = std::fs::read_to_string(&script).unwrap();
    let tasks: i32 = text.split_once("--array=0-").unwrap().1.lines().next().unwrap().parse().unwrap();
    let place = Place::new(&[4, 6]);
    std::fs::write(place.path("in/text.mp4"), "no video").unwrap();
    for task in 0..=tasks {
        let mut command = Command::new("bash");
        command.arg(&script).args(["in", "out"]).current_dir(place.path("")).env("PATH", path_with_program());
        command.env_remove("JOB_COMPLETION_INDEX").env("SLURM_ARRAY_TASK_COUNT", (tasks + 1).to_string());
        command.env("SLURM_ARRAY_TASK_ID", task.to_string()).env("SLURM_ARRAY_TASK_MIN", "0");
        // A shard with the broken file, or with nothing else, has done what it could.
        says(&mut command);
    }
    place.ends(3, &["batch", "merge", "out", "--out", "merged"]);
    assert_eq!(place.rows("merged").len(), 3 + 5);
}

#[test]
fn a_ray_cluster_survives_the_loss_of_a_node() {
    let Some(python) = python("ray") else { return };
    let mut command = Command::new(python);
    command.arg(format!("{EXAMPLES}/ray/test_cluster.py")).arg(env!("CARGO_BIN_EXE_perceiverflow"));
    let said = says(command.env_remove("JOB_COMPLETION_INDEX").env_remove("SLURM_ARRAY_TASK_ID"));
    assert!(said.contains("\ntwo nodes: same results\n") && said.contains("\na node killed midway: same results\n"), "{said}");
}
