//! Texts and pictures through the published heads: the numbers of Hugging Face's `transformers` for the same inputs and weights, and the
//! commands as their users meet them.

use std::path::{Path, PathBuf};

use perceiverflow::{
    compute::{DeviceChoice, Precision},
    media::{Labels, Picture},
    perceiver::tokenizer::Truncation,
    tasks::{ClassifyImage, ClassifyText, FillMask, MaskedText},
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name)
}

/// A fixture's model as a folder of its own, to be changed.
struct Folder(TempDir);

impl Folder {
    fn of(name: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(fixture(name).join(file), folder.path(file)).unwrap();
        }
        folder
    }

    /// An image classifier for pictures of `size` × `size`, resized and not cropped.
    fn of_images(name: &str, size: usize) -> Self {
        let folder = Self::of(name);
        let processor = json!({ "do_center_crop": false, "size": { "height": size, "width": size } });
        std::fs::write(folder.path("preprocessor_config.json"), processor.to_string()).unwrap();
        folder
    }

    fn with(self, field: &str, value: Value) -> Self {
        let mut config: Value = serde_json::from_slice(&std::fs::read(self.path("config.json")).unwrap()).unwrap();
        config[field] = value;
        std::fs::write(self.path("config.json"), config.to_string()).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn classify_text(&self, texts: &[&str]) -> perceiverflow::Result<Vec<Labels>> {
        ClassifyText::open(self.name(), DeviceChoice::Cpu, Precision::F32)?.classify(texts, Truncation::None)
    }

    fn classify_image(&self) -> perceiverflow::Result<Labels> {
        let task = ClassifyImage::open(self.name(), DeviceChoice::Cpu, Precision::F32)?;
        Ok(task.classify(&[&picture()])?.remove(0))
    }

    fn fill(&self, texts: &[&MaskedText], top_k: usize) -> perceiverflow::Result<Vec<perceiverflow::media::FilledText>> {
        FillMask::open(self.name(), DeviceChoice::Cpu, Precision::F32)?.fill(texts, top_k)
    }
}

fn picture() -> Picture {
    Picture::from_fn(40, 30, |x, y| [0, 40, 80].map(|colour| (x * 7 + y * 5 + colour + x * y % 11) as u8))
}

/// Confidences in the order of the classes' numbers.
#[track_caller]
fn assert_labels(labels: &Labels, expected: &[f32]) {
    assert_eq!(labels.as_slice().len(), expected.len());
    for label in labels.as_slice() {
        let expected = expected[label.index];
        assert!((label.confidence - expected).abs() < 2e-5, "{}: {} instead of {expected}", label.name, label.confidence);
    }
    assert!(labels.as_slice().is_sorted_by(|a, b| a.confidence >= b.confidence));
}

#[test]
fn texts_of_several_lengths_get_the_labels_of_the_reference() {
    let texts = ["A film to see twice.", "", "Größe"];
    let labels = Folder::of("sequence_classification").classify_text(&texts).unwrap();
    assert_labels(&labels[0], &[0.527_676_9, 0.322_985_9, 0.130_251_15, 0.007_231_23, 0.011_854_81]);
    assert_labels(&labels[1], &[0.030_466_78, 0.911_348_16, 0.014_126_22, 0.024_492_26, 0.019_566_6]);
    assert_labels(&labels[2], &[0.559_043_05, 0.227_113_1, 0.184_932_74, 0.014_136_22, 0.014_774_85]);
}

#[test]
fn the_problem_type_says_what_the_scores_are() {
    let labels = |problem: &str| {
        let folder = Folder::of("sequence_classification").with("problem_type", problem.into());
        folder.classify_text(&["A film to see twice."]).unwrap().remove(0)
    };
    assert_labels(&labels("multi_label_classification"), &[0.934_092_46, 0.896_640_96, 0.777_698_34, 0.162_634_94, 0.241_508_35]);
    assert_labels(&labels("regression"), &[2.651_322_8, 2.160_447_4, 1.252_303_2, -1.638_752_1, -1.144_427_8]);
}

#[test]
fn pictures_get_the_labels_of_the_reference() {
    for (model, size, expected) in [
        ("image_classification_learned", 8, [0.006_009_39, 0.541_501_64, 0.016_251_64, 0.430_563_9, 0.005_673_39]),
        ("image_classification_fourier", 12, [0.812_324_5, 0.098_874_494, 0.007_558_3, 0.000_419_485, 0.080_823_205]),
        ("image_classification_conv", 32, [0.334_353_27, 0.064_779_64, 0.024_888_117, 0.000_894_677, 0.575_084_3]),
    ] {
        assert_labels(&Folder::of_images(model, size).classify_image().unwrap(), &expected);
    }
}

#[test]
fn labels_have_the_names_of_the_configuration() {
    let names = json!({ "0": "tench", "1": "goldfish", "2": "shark", "3": "ray", "4": "cock" });
    let folder = Folder::of_images("image_classification_learned", 8).with("id2label", names);
    let labels = folder.classify_image().unwrap();
    let top = labels.top(2, 0.0);
    let first: Vec<&str> = top.as_slice().iter().map(|label| &*label.name).collect();
    assert_eq!(first, ["goldfish", "ray"]);
}

#[test]
fn gaps_are_filled_as_in_the_reference() {
    let folder = Folder::of("masked_lm");
    let filled = folder.fill(&[&"Hel[MASK]o w[MASK]rld".into(), &"x[MASK]".into()], 3).unwrap();
    assert_eq!(filled[0].text(), "Heloo world");
    assert_eq!(filled[1].text(), "xo");
    let guesses = |text: usize, gap: usize| -> (usize, Vec<(u8, f32)>) {
        let gap = &filled[text].gaps()[gap];
        (gap.at, gap.guesses.iter().map(|guess| (guess.byte, guess.probability)).collect())
    };
    for (text, gap, at, expected) in [
        (0, 0, 3, [(111, 0.863_498_7), (29, 0.103_481_53), (117, 0.012_715_3)]),
        (0, 1, 7, [(111, 0.939_123_5), (29, 0.045_042_258), (117, 0.005_355_47)]),
        (1, 0, 1, [(111, 0.999_860_64), (117, 7.076e-5), (29, 2.696e-5)]),
    ] {
        let (given_at, given) = guesses(text, gap);
        assert_eq!(given_at, at);
        for ((byte, probability), (expected_byte, expected)) in given.into_iter().zip(expected) {
            assert!(byte == expected_byte && (probability - expected).abs() < 2e-5, "{byte} {probability}: {expected}");
        }
    }
}

#[test]
fn a_span_of_bytes_is_filled_as_in_the_reference() {
    let text = MaskedText::from("An odd sentence").with_span(3..6);
    let filled = Folder::of("masked_lm").fill(&[&text], 2).unwrap().remove(0);
    assert_eq!(filled.text(), "An ooo sentence");
    let second: Vec<u8> = filled.gaps().iter().map(|gap| gap.guesses[1].byte).collect();
    assert_eq!((second, filled.gaps()[2].at), (vec![155, 117, 155], 5));
}

#[test]
fn special_tokens_in_a_text_stay_where_they_are() {
    let filled = Folder::of("masked_lm").fill(&[&"a[SEP]b[PAD][MASK]c".into()], 1).unwrap().remove(0);
    assert_eq!((filled.bytes().len(), filled.gaps()[0].at), ("a[SEP]b[PAD]?c".len(), 12));
    assert!(filled.text().starts_with("a[SEP]b[PAD]") && filled.text().ends_with('c'));
}

#[test]
fn what_cannot_be_filled_is_refused() {
    let folder = Folder::of("masked_lm");
    let refused = |text: MaskedText| folder.fill(&[&text], 1).unwrap_err().to_string();
    let span = |span| refused(MaskedText::from("Größe").with_span(span));
    assert!(refused("no gap".into()).contains("[MASK]"));
    assert!(refused("".into()).contains("[MASK]"));
    assert!(span(6..8).contains("span = 6:8") && span(6..8).contains("END up to 7"));
    assert!(span(2..2).contains("span = 2:2"));
    let long = refused(format!("[MASK]{}", "x".repeat(38)).as_str().into());
    assert!(long.contains("41 tokens") && long.contains("at most 40"), "{long}");
    assert!(folder.fill(&[], 1).unwrap().is_empty());
}

#[test]
fn a_text_that_is_too_long_is_refused_or_cut() {
    let task = ClassifyText::open(Folder::of("sequence_classification").name(), DeviceChoice::Cpu, Precision::F32).unwrap();
    let long = "x".repeat(100);
    let message = task.classify(&["short", &long], Truncation::None).unwrap_err().to_string();
    assert!(message.contains("text 1 = 102 tokens") && message.contains("at most 40 (max_position_embeddings)"), "{message}");
    let [cut, whole] = [&long[..], &long[..38]].map(|text| task.classify(&[text], Truncation::OnlyFirst).unwrap().remove(0));
    assert_eq!(cut, whole);
}

#[test]
fn a_model_for_another_job_is_named() {
    let folder = Folder::of("masked_lm");
    let message = folder.classify_text(&["a"]).unwrap_err().to_string();
    assert!(message.contains("PerceiverForMaskedLM: accepted is PerceiverForSequenceClassification"), "{message}");
    let message = folder.classify_image().unwrap_err().to_string();
    assert!(message.contains("PerceiverForImageClassificationLearned"), "{message}");
    let message = Folder::of("sequence_classification").fill(&[&"[MASK]".into()], 1).unwrap_err().to_string();
    assert!(message.contains("accepted is PerceiverForMaskedLM"), "{message}");
}

#[test]
fn a_picture_the_model_has_no_positions_for_is_refused() {
    let message = Folder::of("image_classification_learned").classify_image().unwrap_err().to_string();
    assert!(message.contains("224") || message.contains("50176"), "{message}");
}

#[cfg(feature = "cli")]
mod commands {
    use std::{
        io::Write,
        process::{Command, Output, Stdio},
    };

    use super::*;

    fn run(folder: &Folder, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perceiverflow"));
        command.arg(arguments[0]).args(["--model", folder.name(), "--device", "cpu"]).args(&arguments[1..]);
        command.current_dir(folder.0.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = command.spawn().unwrap();
        // A program that refuses its arguments does not read.
        let _ = program.stdin.take().unwrap().write_all(stdin);
        program.wait_with_output().unwrap()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Standard output of a run that ends well and complains of nothing.
    #[track_caller]
    fn succeeds(folder: &Folder, arguments: &[&str], stdin: &[u8]) -> String {
        let output = run(folder, arguments, stdin);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        text(&output.stdout)
    }

    /// Both streams of a run of which a part fails.
    #[track_caller]
    fn fails_in_part(folder: &Folder, arguments: &[&str], stdin: &[u8]) -> (String, String) {
        let output = run(folder, arguments, stdin);
        let streams = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{streams:?}");
        streams
    }

    fn lines(json: &str) -> Vec<Value> {
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn texts_come_as_arguments_or_as_lines() {
        let folder = Folder::of("sequence_classification");
        let plain = succeeds(&folder, &["classify-text", "A film to see twice.", "--top-k", "2"], b"");
        assert_eq!(plain, "A film to see twice.\n  0.5277  LABEL_0\n  0.3230  LABEL_1\n");
        let given = lines(&succeeds(&folder, &["classify-text", "--json", "A film to see twice.", "", "b"], b""));
        for size in ["1", "2", "8"] {
            let arguments = ["classify-text", "--json", "--batch-size", size];
            let piped = lines(&succeeds(&folder, &arguments, b"A film to see twice.\n\r\nb"));
            assert_eq!(piped.len(), 3);
            for (piped, given) in piped.iter().zip(&given) {
                assert_eq!((&piped["input"], &piped["model"]), (&given["input"], &given["model"]));
                let score = |line: &Value| line["labels"][0]["score"].as_f64().unwrap();
                assert!((score(piped) - score(given)).abs() < 1e-5);
            }
        }
        assert_eq!(given[0]["labels"].as_array().unwrap().len(), 5);
        assert_eq!((&given[1]["input"], given[0]["model"].as_str().unwrap().len()), (&json!(""), 64));
        let mixed = lines(&succeeds(&folder, &["classify-text", "--json", "a", "-"], b"b\nc\n"));
        assert_eq!(mixed.iter().map(|line| line["input"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(succeeds(&folder, &["classify-text"], b""), "");
    }

    #[test]
    fn a_broken_text_is_named_and_the_rest_goes_on() {
        let folder = Folder::of("sequence_classification");
        let long = "x".repeat(99);
        let piped = [b"good\n\xFF\xFE\n".as_slice(), long.as_bytes(), b"\nalso good"].concat();
        for size in ["1", "3", "9"] {
            let (given, complaints) = fails_in_part(&folder, &["classify-text", "--json", "--batch-size", size], &piped);
            let inputs: Vec<String> = lines(&given).iter().map(|line| line["input"].as_str().unwrap().to_owned()).collect();
            assert_eq!(inputs, ["good", "also good"]);
            assert_eq!(complaints.lines().count(), 2, "{complaints}");
            assert!(complaints.contains("standard input, line 2: accepted is UTF-8"), "{complaints}");
            assert!(complaints.contains("101 tokens") && complaints.contains("at most 40"), "{complaints}");
        }
        assert_eq!(lines(&succeeds(&folder, &["classify-text", "--json", "--truncate", &long], b"")).len(), 1);
    }

    #[test]
    fn top_k_and_threshold_bound_the_labels() {
        let folder = Folder::of("sequence_classification");
        let count = |arguments: &[&str]| {
            let arguments = [&["classify-text", "--json", "A film to see twice."], arguments].concat();
            lines(&succeeds(&folder, &arguments, b""))[0]["labels"].as_array().unwrap().len()
        };
        assert_eq!((count(&["--top-k", "1"]), count(&["--top-k", "4000000000"])), (1, 5));
        assert_eq!((count(&["--threshold", "0.3"]), count(&["--threshold", "1"])), (2, 0));
        for wrong in [["--top-k", "0"], ["--top-k", "x"], ["--threshold", "nan"], ["--batch-size", "0"]] {
            assert_eq!(run(&folder, &["classify-text", "a", wrong[0], wrong[1]], b"").status.code(), Some(2), "{wrong:?}");
        }
    }

    #[test]
    fn gaps_are_filled_and_shown() {
        let folder = Folder::of("masked_lm");
        let plain = succeeds(&folder, &["fill-mask", "Hel[MASK]o w[MASK]rld", "--top-k", "2"], b"");
        assert_eq!(plain, "Heloo world\n     3  'o' 0.8635  '\\x1d' 0.1035\n     7  'o' 0.9391  '\\x1d' 0.0450\n");
        let line =
            &lines(&succeeds(&folder, &["fill-mask", "--json", "--span", "3:6", "--span", "0:1", "An odd sentence"], b""))[0];
        assert_eq!((&line["text"], &line["input"]), (&json!("on ooo sentence"), &json!("An odd sentence")));
        assert_eq!(
            line["gaps"].as_array().unwrap().iter().map(|gap| gap["at"].as_u64().unwrap()).collect::<Vec<_>>(),
            [0, 3, 4, 5]
        );
        assert_eq!(line["gaps"][0]["guesses"].as_array().unwrap().len(), 5);
        let all = &lines(&succeeds(&folder, &["fill-mask", "--json", "--top-k", "256", "[MASK]"], b""))[0];
        assert_eq!(all["gaps"][0]["guesses"].as_array().unwrap().len(), 256);
        for wrong in [["--span", "5:5"], ["--span", "5"], ["--top-k", "257"]] {
            assert_eq!(run(&folder, &["fill-mask", "[MASK]", wrong[0], wrong[1]], b"").status.code(), Some(2), "{wrong:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_filled_is_named() {
        let folder = Folder::of("masked_lm");
        let arguments = ["fill-mask", "--json", "--batch-size", "4"];
        let (given, complaints) = fails_in_part(&folder, &arguments, b"x[MASK]\nno gap\n\nGr\xC3\xB6[MASK]\n");
        assert_eq!(lines(&given).iter().map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>(), ["xo", "Gröo"]);
        assert!(complaints.contains("no gap: text") && complaints.contains("empty text: text"), "{complaints}");
    }

    #[test]
    fn what_is_no_utf8_is_shown_with_its_bytes() {
        // A gap in the middle of a character: the model's guess does not complete it.
        let folder = Folder::of("masked_lm");
        let arguments = ["fill-mask", "--span", "1:2", "xö", "--top-k", "1"];
        let plain = succeeds(&folder, &arguments, b"");
        assert!(plain.starts_with("xo\u{FFFD}\n  no UTF-8: xo\\xb6\n"), "{plain}");
        let line = &lines(&succeeds(&folder, &[&arguments[..], &["--json"]].concat(), b""))[0];
        assert_eq!((&line["text"], &line["bytes"]), (&json!("xo\u{FFFD}"), &json!("786fb6")));
    }

    #[test]
    fn pictures_come_by_name_by_list_and_through_the_pipe() {
        let folder = Folder::of_images("image_classification_learned", 8);
        std::fs::write(folder.path("a.png"), picture().to_png()).unwrap();
        std::fs::write(folder.path("b.png"), Picture::from_fn(9, 200, |_, _| [200, 10, 10]).to_png()).unwrap();
        let plain = succeeds(&folder, &["classify-image", "a.png", "--top-k", "2"], b"");
        assert_eq!(plain, "a.png\n  0.5415  LABEL_1\n  0.4306  LABEL_3\n");
        let named = succeeds(&folder, &["classify-image", "--json", "a.png", "b.png"], b"");
        assert_eq!(succeeds(&folder, &["classify-image", "--json"], b"a.png\nb.png\n"), named);
        assert_eq!(lines(&succeeds(&folder, &["classify-image", "--json", "--batch-size", "5"], b"a.png\nb.png\n")).len(), 2);
        let piped = succeeds(&folder, &["classify-image", "--json", "-"], &picture().to_png());
        assert_eq!(piped, named.lines().next().unwrap().replace("a.png", "-") + "\n");
    }

    #[test]
    fn a_broken_picture_is_named_and_the_rest_goes_on() {
        let folder = Folder::of_images("image_classification_learned", 8);
        std::fs::write(folder.path("good.png"), picture().to_png()).unwrap();
        std::fs::write(folder.path("cut.png"), &picture().to_png()[..60]).unwrap();
        std::fs::write(folder.path("text.jpg"), "no picture").unwrap();
        let images =
            ["classify-image", "--json", "--batch-size", "2", "missing.png", "cut.png", "good.png", "text.jpg", "-", "good.png"];
        let (given, complaints) = fails_in_part(&folder, &images, b"");
        assert_eq!(lines(&given).iter().filter(|line| line["input"] == "good.png").count(), 2);
        for name in ["missing.png: ", "cut.png: ", "text.jpg: ", "standard input: "] {
            assert!(complaints.lines().any(|line| line.contains(name)), "{name}: {complaints}");
        }
        assert_eq!(complaints.lines().count(), 4, "{complaints}");
    }

    #[test]
    fn a_model_has_to_be_named_and_fit() {
        let folder = Folder::of("masked_lm");
        for command in ["classify-image", "classify-text", "fill-mask"] {
            let output = Command::new(env!("CARGO_BIN_EXE_perceiverflow")).args([command, "x"]).output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(text(&output.stderr).contains("--model <MODEL>"));
            let help = Command::new(env!("CARGO_BIN_EXE_perceiverflow")).args([command, "--help"]).output().unwrap();
            assert!(text(&help.stdout).contains("Examples:"));
        }
        let (given, complaints) = fails_in_part(&folder, &["classify-text", "a"], b"");
        assert!(given.is_empty() && complaints.contains("PerceiverForSequenceClassification"), "{complaints}");
        assert_eq!(complaints.lines().count(), 1);
    }
}
