//! The three heads against Hugging Face's model.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use gstperceiverflow::meta::{LabelsMeta, WindowMeta};

use crate::stage::{PERIOD, Recorded, Run, WINDOWS, assert_close, line, model, numbers, text, times};

/// `perceiverdecode` of the shared model.
fn decode(properties: &str) -> String {
    format!("queue ! perceiverdecode model={} {properties}", model())
}

fn encode() -> String {
    format!("queue ! perceiverencode name=encode model={}", model())
}

/// What leaves an encoder: the features of its caps and the type of its memory.
fn forms(run: &Run) -> Arc<Mutex<BTreeSet<(String, bool)>>> {
    let forms = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = forms.clone();
    run.element("encode").static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let features = pad.current_caps().unwrap().features(0).unwrap().to_string();
        let is_tensor = info.buffer().unwrap().peek_memory(0).is_type("PerceiverTensor");
        seen.lock().unwrap().insert((features, is_tensor));
        gst::PadProbeReturn::Ok
    });
    forms
}

#[test]
fn latents_stay_on_the_device_for_decoders_and_are_bytes_for_others() {
    let tensors = ("memory:PerceiverTensor".to_owned(), true);
    let bytes = ("memory:SystemMemory".to_owned(), false);
    let heads = "tee name=latents latents. ! queue ! DECODE head=labels ! fakesink latents. ! queue ! DECODE head=audio ! fakesink \
                 latents. ! queue ! DECODE head=video ! fakesink";
    for (rest, expected) in [
        ("queue ! DECODE head=labels ! fakesink", &tensors),
        (heads, &tensors),
        ("queue ! gdppay ! fakesink", &bytes),
        ("fakesink", &bytes),
        ("other/tensors ! DECODE head=labels ! fakesink", &bytes),
    ] {
        let rest = rest.replace("DECODE", &format!("perceiverdecode model={}", model()));
        let run = Run::new(&line("", &format!("{} ! {rest}", encode())));
        let forms = forms(&run);
        run.push_all(&Recorded::open());
        run.wait_for_eos();
        assert_eq!(*forms.lock().unwrap(), BTreeSet::from([expected.clone()]), "{rest}");
    }
}

#[test]
fn a_neighbour_that_comes_later_and_wants_bytes_has_them() {
    let decode = format!("perceiverdecode model={} head=labels", model());
    let run = Run::new(&line("", &format!("{} ! tee name=latents ! queue ! {decode} ! appsink name=out sync=false", encode())));
    let forms = forms(&run);
    let recorded = Recorded::open();
    run.push(&recorded, 0..3);
    let out = run.element("out").downcast::<gst_app::AppSink>().unwrap();
    out.pull_sample().unwrap();
    let late = gst::parse::bin_from_description("queue ! capsfilter caps=other/tensors ! fakesink async=false", true).unwrap();
    run.pipeline.add(&late).unwrap();
    late.sync_state_with_parent().unwrap();
    run.element("latents").link(&late).unwrap();
    run.push(&recorded, 3..8);
    run.end();
    assert_eq!(run.pull("out").len(), WINDOWS - 1);
    run.wait_for_eos();
    let features: Vec<bool> = forms.lock().unwrap().iter().map(|(_, is_tensor)| *is_tensor).collect();
    assert_eq!(features, [true, false]);
}

#[test]
fn one_encoding_serves_three_heads_whose_numbers_are_the_references() {
    let [video, audio, labels] = ["video", "audio", "labels"].map(|head| {
        let decode = decode(&format!("head={head} name=decode-{head}"));
        format!("latents. ! {decode} ! other/tensors ! appsink name=out-{head} sync=false")
    });
    let run = Run::new(&line("", &format!("{} ! tee name=latents {video} {audio} {labels}", encode())));
    let recorded = Recorded::open();
    run.push_all(&recorded);
    for (head, name) in [("video", "out.image"), ("audio", "out.audio"), ("labels", "out.label")] {
        let samples = run.pull(&format!("out-{head}"));
        assert_eq!(times(&samples), [(0, 80), (80, 80), (160, 80), (240, 80)], "{head}");
        for (window, sample) in samples.iter().enumerate() {
            assert_close(&numbers(sample), &recorded.answer(name, window), &format!("{head} of window {window}"));
            let meta = WindowMeta::of(sample.buffer().unwrap()).unwrap();
            assert_eq!(meta.window.id, window as u64);
            assert_eq!(meta.window.running_time, Some(PERIOD * (2 * window as u64)));
        }
        assert_eq!(run.stat(&format!("decode-{head}"), "windows-out"), WINDOWS as u64);
    }
    assert_eq!(run.stat("encode", "windows-in"), WINDOWS as u64, "each window was encoded once");
    assert_eq!(run.stat("encode", "windows-out"), WINDOWS as u64);
}

#[test]
fn pictures_and_sound_come_out_in_step() {
    let media = ["video/x-raw", "audio/x-raw"]
        .map(|media| format!("latents. ! {} ! {media} ! appsink name=out-{} sync=false", decode(""), &media[..5]));
    let run = Run::new(&line("", &format!("{} ! tee name=latents {} {}", encode(), media[0], media[1])));
    let recorded = Recorded::open();
    run.push_all(&recorded);

    let frames = run.pull("out-video");
    let expected: Vec<(u64, u64)> = (0..8).map(|frame| (frame * 40, 40)).collect();
    assert_eq!(times(&frames), expected);
    for (number, frame) in frames.iter().enumerate() {
        let levels = &recorded.answer("out.image", number / 2)[number % 2 * 192..][..192];
        let bytes = frame.buffer().unwrap().map_readable().unwrap();
        let furthest = bytes.iter().zip(levels).map(|(&byte, level)| (f32::from(byte) - (level * 255.0).clamp(0.0, 255.0)).abs());
        assert!(furthest.fold(0.0, f32::max) <= 0.51, "frame {number}");
        let error = WindowMeta::of(frame.buffer().unwrap()).unwrap().error.expect("the window came along");
        assert!(error.mse > 0.0 && (error.decibels + 10.0 * error.mse.log10()).abs() < 1e-9, "{error:?}");
    }

    let sound = run.pull("out-audio");
    assert_eq!(times(&sound), [(0, 80), (80, 80), (160, 80), (240, 80)]);
    for (window, samples) in sound.iter().enumerate() {
        assert_close(&numbers(samples), &recorded.answer("out.audio", window), "sound");
        assert!(WindowMeta::of(samples.buffer().unwrap()).unwrap().error.is_some());
    }
}

/// Pixels of a window of 8 × 8: picture, row, column.
fn pixels(rows: &[usize], columns: &[usize]) -> Vec<[usize; 3]> {
    let of_picture = |t| rows.iter().flat_map(move |&y| columns.iter().map(move |&x| [t, y, x]));
    (0..2).flat_map(of_picture).collect()
}

/// How far the reference's answer is from the recorded window in the mean of squares, over these pixels.
fn of_video(recorded: &Recorded, window: usize, pixels: &[[usize; 3]]) -> f64 {
    let levels = recorded.answer("out.image", window);
    let frames = [0, 1].map(|t| recorded.frame((2 * window + t) as u64).map_readable().unwrap().to_vec());
    let squares = pixels.iter().flat_map(|&[t, y, x]| (0..3).map(move |colour| [t, (y * 8 + x) * 3 + colour])).map(|[t, at]| {
        let level = levels[t * 8 * 8 * 3 + at];
        f64::from(level - f32::from(frames[t][at]) / 255.0).powi(2)
    });
    squares.sum::<f64>() / (3 * pixels.len()) as f64
}

#[test]
fn what_was_asked_for_is_scored_and_messages_say_the_same_as_metadata() {
    let all: Vec<usize> = (0..8).collect();
    let cases = [
        ("head=video", "video/x-raw", Some(pixels(&all, &all))),
        ("head=video query-stride=3", "video/x-raw", Some(pixels(&[0, 3, 6], &[0, 3, 6]))),
        ("head=video query-stride=2 query-roi=3,1,5,4", "video/x-raw", Some(pixels(&[1, 3], &[3, 5, 7]))),
        ("head=video query-roi=2,4,3,2", "other/tensors", Some(pixels(&[4, 5], &[2, 3, 4]))),
        ("head=audio", "audio/x-raw", None),
    ];
    let recorded = Recorded::open();
    for (properties, media, asked) in cases {
        let decode = decode(&format!("name=decode {properties}"));
        let run = Run::new(&line("", &format!("{} ! {decode} ! {media} ! appsink name=out sync=false", encode())));
        run.push_all(&recorded);
        let out = run.pull("out");
        let results = run.results("decode");
        assert_eq!(results.len(), WINDOWS, "{properties}");
        for (window, result) in results.iter().enumerate() {
            let told = ["mse", "decibels"].map(|name| result.get::<f64>(name).unwrap());
            if let Some(pixels) = &asked {
                let expected = of_video(&recorded, window, pixels);
                assert!((told[0] / expected - 1.0).abs() < 1e-4, "{properties}: {told:?}, expected {expected}");
            }
            let metas = out.iter().map(|sample| WindowMeta::of(sample.buffer().unwrap()).unwrap());
            let of_window: Vec<_> =
                metas.filter(|meta| meta.window.id == window as u64).map(|meta| meta.error.unwrap()).collect();
            assert!(!of_window.is_empty(), "{properties}: nothing of window {window}");
            assert!(of_window.iter().all(|error| [error.mse, error.decibels] == told), "{properties}: {of_window:?} {told:?}");
        }
    }
}

#[test]
fn labels_are_lines_json_and_messages() {
    let forms = ["text", "json"].map(|form| {
        let caps = if form == "text" { "text/x-raw" } else { "application/x-json" };
        let decode = decode(&format!("name=decode-{form} top-k=2"));
        format!("latents. ! {decode} ! {caps} ! appsink name={form} sync=false")
    });
    let run = Run::new(&line("", &format!("{} ! tee name=latents {} {}", encode(), forms[0], forms[1])));
    let recorded = Recorded::open();
    run.push_all(&recorded);
    let (lines, objects) = (run.pull("text"), run.pull("json"));
    assert_eq!((times(&lines), times(&objects)), (times(&lines), times(&lines)));
    for (window, (lines, object)) in lines.iter().zip(&objects).enumerate() {
        let scores = recorded.answer("out.label", window);
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        let meta = LabelsMeta::of(lines.buffer().unwrap()).unwrap();
        let first = &meta.labels.as_slice()[0];
        assert_eq!((first.index, meta.labels.as_slice().len()), (best, 2));
        assert_eq!(text(lines).lines().next().unwrap(), format!("LABEL_{best} {:.0}%", first.confidence * 100.0));
        assert_eq!(text(lines).lines().count(), 2);
        let object = text(object);
        let label = format!(r#"{{"index":{best},"label":"LABEL_{best}""#);
        assert!(object.contains(&label) && object.ends_with("}\n"), "{object}");
        assert_eq!(object.contains(r#""start":0.08,"end":0.16,"#), window == 1, "{object}");
    }
    let results = run.results("decode-text");
    let windows: Vec<u64> = results.iter().map(|result| result.get("window-id").unwrap()).collect();
    assert_eq!(windows, [0, 1, 2, 3]);
    assert!(results.iter().all(|result| result.name() == "perceiver-result" && result.has_field("model-hash")));
}

#[test]
fn fewer_queries_give_a_smaller_picture_and_names_come_from_a_file() {
    let names = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(names.path(), "a\nb\nc\nd\ne\nf\ng\n").unwrap();
    let small = decode("query-stride=2 query-roi=3,1,5,4");
    let named = decode(&format!("head=labels top-k=1 labels-file={}", names.path().to_str().unwrap()));
    let run = Run::new(&line(
        "",
        &format!(
            "{} ! tee name=latents latents. ! {small} ! video/x-raw ! appsink name=small sync=false latents. ! {named} ! text/x-raw \
             ! appsink name=named sync=false",
            encode()
        ),
    ));
    let recorded = Recorded::open();
    run.push_all(&recorded);
    let (frames, lines) = (run.pull("small"), run.pull("named"));
    let caps = frames[0].caps().unwrap().structure(0).unwrap();
    assert_eq!((caps.get::<i32>("width").unwrap(), caps.get::<i32>("height").unwrap()), (3, 2));
    let level = recorded.answer("out.image", 0)[(8 + 3) * 3];
    let byte = frames[0].buffer().unwrap().map_readable().unwrap()[0];
    assert_eq!(byte, (level * 255.0).round().clamp(0.0, 255.0) as u8, "the first pixel is row 1, column 3");
    assert!(lines.iter().all(|line| text(line).starts_with(|c: char| ('a'..='g').contains(&c))));
}

#[test]
fn no_label_above_the_threshold_is_a_gap() {
    let run =
        Run::new(&line("", &format!("{} ! {} ! text/x-raw ! appsink name=out sync=false", encode(), decode("threshold=1"))));
    let gaps = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = gaps.clone();
    run.element("out").static_pad("sink").unwrap().add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::EventView::Gap(gap)) = info.event().map(|event| event.view()) {
            seen.lock().unwrap().push(gap.get().0.mseconds());
        }
        gst::PadProbeReturn::Ok
    });
    run.push_all(&Recorded::open());
    assert!(run.pull("out").is_empty());
    assert_eq!(*gaps.lock().unwrap(), [0, 80, 160, 240]);
}
