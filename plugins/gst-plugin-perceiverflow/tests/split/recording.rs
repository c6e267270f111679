//! Encode today, ask tomorrow.

use crate::stage::{Recorded, Run, line, model, text, times};

#[test]
fn recorded_latents_say_what_they_said_live() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latents.gdp").to_str().unwrap().to_owned();
    let decode = format!("perceiverdecode model={} top-k=3", model());
    let run = Run::new(&line(
        "",
        &format!(
            "perceiverencode model={} ! tee name=latents latents. ! queue ! gdppay ! filesink location={file} latents. ! queue ! \
             {decode} ! text/x-raw ! appsink name=out sync=false",
            model()
        ),
    ));
    run.push_all(&Recorded::open());
    let live = run.pull("out");
    run.wait_for_eos();
    drop(run);

    let replay = Run::new(&format!("filesrc location={file} ! gdpdepay ! {decode} ! text/x-raw ! appsink name=out sync=false"));
    let later = replay.pull("out");
    let said = |samples: &[gst::Sample]| samples.iter().map(text).collect::<Vec<_>>();
    assert_eq!(said(&later), said(&live));
    assert_eq!(times(&later), times(&live));
    assert_eq!(later.len(), 4);
}
