//! Many machines are as good as one.

use serde_json::Value;

use crate::place::{Place, clips, flow};

#[test]
fn shards_merge_to_what_one_run_makes() {
    let place = Place::new(&[4, 12, 7, 9, 3]);
    std::fs::write(place.path("in/text.mp4"), "no video").unwrap();
    place.ends(3, &flow("whole", &["--flo"]));
    for shard in ["0/3", "1/3", "2/3"] {
        let code = place.run(&flow("shards", &["--flo", "--shard", shard])).status.code();
        assert!(matches!(code, Some(0 | 3)), "{shard}: {code:?}");
    }
    let (stdout, _) = place.ends(3, &["batch", "merge", "shards", "--out", "merged"]);
    assert!(stdout.starts_with("5 of 6 files done, 1 failed\n"), "{stdout}");
    assert_eq!(place.rows("whole"), place.rows("merged"));
    place.same_products("whole", "merged");
    let (whole, merged) = (place.report("whole"), place.report("merged"));
    for field in ["failures", "failures_by_cause", "windows", "model", "options"] {
        assert_eq!(whole[field], merged[field]);
    }
    let threads = |report: &Value| report["stages"][2]["threads"].as_u64().unwrap();
    assert_eq!(threads(&merged), 3 * threads(&whole));

    // What is merged is a run like any other.
    place.ends(3, &flow("merged", &["--flo", "--resume"]));
    assert_eq!(place.report("merged")["files"]["done_earlier"], 5);
    assert_eq!(place.rows("whole"), place.rows("merged"));
    let (_, stderr) = place.ends(1, &["batch", "merge", "shards", "--out", "merged"]);
    assert!(stderr.contains("merged") && stderr.contains("-y"), "{stderr}");
    place.ends(3, &["batch", "merge", "shards", "--out", "merged", "-y"]);
    place.well(&flow("other", &["--inference-interval", "2", "--max-failure-rate", "1", "in/clip-0.mp4", "--shard", "0/9"]));
    let (_, stderr) = place.ends(1, &["batch", "merge", "shards", "other", "--out", "mixed"]);
    assert!(stderr.contains("options"), "{stderr}");
    let (_, stderr) = place.ends(1, &["batch", "merge", "in", "--out", "mixed"]);
    assert!(stderr.contains("journal.jsonl"), "{stderr}");
}

/// One file that lasts longer than the others together: every shard has a part of it, and no shard knows of the parts of others.
#[test]
fn a_huge_file_is_shared_by_shards() {
    let place = Place::new(&[4, 6]).with_multimodal_model();
    place.render_with_key_frames("in/huge.mp4", 240);
    for (task, more) in [("flow", &["--flo"][..]), ("classify", &[])] {
        let run = |out: &str, shard: &[&str]| {
            let more = [more, &["--part", "1"], shard].concat();
            place.well(&if task == "flow" { flow(out, &more) } else { clips(task, out, &more) });
        };
        let [whole, shards, merged] = ["whole", "shards", "merged"].map(|name| format!("{task}-{name}"));
        run(&whole, &[]);
        for shard in ["0/3", "1/3", "2/3"] {
            run(&shards, &["--shard", shard]);
        }
        let of_huge = |out: String| place.rows(&out).iter().filter(|row| row.contains("huge")).count();
        let all = of_huge(whole.clone());
        let each = [0, 1, 2].map(|shard| of_huge(format!("{shards}/shard-{shard}-of-3")));
        assert!(each.iter().all(|&part| part > 0) && each.iter().sum::<usize>() == all, "{task}: {each:?} of {all}");
        run(&shards, &["--shard", "1/3", "--resume"]);
        assert_eq!(place.report(&format!("{shards}/shard-1-of-3"))["windows"], 0, "{task}");

        let (stdout, _) = place.ends(0, &["batch", "merge", &shards, "--out", &merged]);
        assert!(stdout.starts_with("3 of 3 files done\n"), "{task}: {stdout}");
        assert_eq!(place.rows(&whole), place.rows(&merged), "{task}");
        assert_eq!(place.products(&whole), place.products(&merged), "{task}");
        run(&merged, &["--resume"]);
        assert_eq!(place.report(&merged)["files"]["done_earlier"], 3, "{task}");

        // Without one of them the file is not done; gone on with, it is.
        std::fs::remove_dir_all(place.path(&shards).join("shard-1-of-3")).unwrap();
        let (stdout, _) = place.ends(4, &["batch", "merge", &shards, "--out", &merged, "-y"]);
        assert!(stdout.contains("  missing: shard-1-of-3\n") && stdout.contains("  unfinished: in/huge.mp4\n"), "{stdout}");
        run(&merged, &["--resume"]);
        assert_eq!(place.report(&merged)["files"]["done"], 3, "{task}");
        assert_eq!(place.rows(&whole), place.rows(&merged), "{task}");
    }
}

/// All shards go by the plan that the first one left, whatever they see.
#[test]
fn a_file_that_appears_between_shards_changes_nobodys_part() {
    let place = Place::new(&[4, 12, 7]);
    place.well(&flow("whole", &[]));
    place.well(&flow("shards", &["--shard", "0/2"]));
    place.render("in/late.mp4", 40);
    let (_, stderr) = place.ends(0, &flow("shards", &["--shard", "1/2"]));
    assert!(stderr.contains("plan-of-2.jsonl was made without 1 of the inputs"), "{stderr}");
    place.well(&["batch", "merge", "shards", "--out", "merged"]);
    assert_eq!(place.rows("whole"), place.rows("merged"));
}

#[test]
fn what_is_missing_is_named_when_shards_are_merged() {
    let place = Place::new(&[4, 12, 7]);
    for shard in ["0/3", "2/3"] {
        place.well(&flow("shards", &["--shard", shard]));
    }
    let merge = ["batch", "merge", "shards", "--out", "merged", "-y"];
    let (stdout, _) = place.ends(4, &merge);
    assert!(stdout.starts_with("2 of 3 files done, 1 unfinished\n"), "{stdout}");
    assert!(stdout.contains("  missing: shard-1-of-3\n") && stdout.contains("  unfinished: in/clip-2.mp4\n"), "{stdout}");
    let report = place.report("merged");
    assert_eq!(report["missing_shards"], serde_json::json!(["shard-1-of-3"]));
    assert_eq!(report["unfinished"], serde_json::json!(["in/clip-2.mp4"]));

    // A shard that was killed before its first report.
    place.well(&flow("shards", &["--shard", "1/3"]));
    let journal = place.path("shards/shard-1-of-3/journal.jsonl");
    let lines = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, lines.split_inclusive('\n').take(2).collect::<String>()).unwrap();
    std::fs::remove_file(place.path("shards/shard-1-of-3/report.json")).unwrap();
    let (stdout, _) = place.ends(4, &merge);
    assert!(!stdout.contains("missing") && stdout.contains("  unfinished: in/clip-2.mp4\n"), "{stdout}");

    place.well(&flow("shards", &["--shard", "1/3", "--resume"]));
    let (stdout, _) = place.ends(0, &merge);
    assert!(stdout.starts_with("3 of 3 files done\n"), "{stdout}");
    assert_eq!(place.report("merged").get("missing_shards"), None);
}

#[test]
fn a_scheduler_says_which_shard() {
    let place = Place::new(&[4, 6]);
    for index in ["0", "1"] {
        let mut command = place.command(&flow("out", &[]));
        command.env("JOB_COMPLETION_INDEX", index).env("JOB_COMPLETIONS", "2");
        assert!(command.status().unwrap().success());
    }
    let rows = |index: usize| place.rows(&format!("out/shard-{index}-of-2")).len();
    assert_eq!((rows(0), rows(1)), (5, 3), "the longest first");
}
