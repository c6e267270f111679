//! Answers as buffers.

use std::time::Duration;

use gst::prelude::*;
use perceiverflow::{
    formats::json_lines::{self, Source},
    media::{Label, Labels},
    tasks::{Head as Asked, ReconstructionError, VideoQueries},
};

use super::{Decode, lock};
use crate::{
    caps::HeadMedia,
    decode::joined::{Joined, Piece},
    meta::{LabelsMeta, WindowMeta},
    stage::{Placed, flow_error, post_result},
    tensor_bytes,
};

/// What was agreed on with downstream.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) media: HeadMedia,
    pub(super) head: Asked,
    /// Columns and rows of the video.
    pub(super) size: (usize, usize),
    /// What one window takes the head.
    pub(super) processing: Duration,
    /// Of media that go on from window to window.
    pub(super) joined: Option<Joined>,
}

impl Decode {
    /// Pushes what a head says of one window.
    pub(super) fn give_values(&self, mut placed: Placed, values: Vec<f32>) -> Result<(), gst::FlowError> {
        let (media, head) =
            lock(&self.output).as_ref().map(|output| (output.media, output.head)).ok_or(gst::FlowError::NotNegotiated)?;
        if head == Asked::Labels {
            return self.give_labels(&placed, &values, media);
        }
        placed.meta.error = self.error(&placed.meta, &values, head)?;
        // The window itself would be kept alive by every frame made of it.
        placed.meta.inputs = None;
        post_result(self, |structure| {
            placed.meta.window.write(structure);
            placed.meta.write_error(structure);
        });
        if matches!(media, HeadMedia::Numbers(_)) {
            return self.push(tensor_bytes::write(&values), placed.pts, &placed.meta);
        }
        let pieces = lock(&self.output)
            .as_mut()
            .and_then(|output| Some(output.joined.as_mut()?.push(placed.pts, values, placed.meta)))
            .unwrap_or_default();
        pieces.into_iter().try_for_each(|piece| self.push_piece(piece))
    }

    fn give_labels(&self, placed: &Placed, scores: &[f32], media: HeadMedia) -> Result<(), gst::FlowError> {
        let model = lock(&self.stage.model).clone().ok_or(gst::FlowError::Flushing)?;
        let settings = lock(&self.settings).clone();
        let labels = self.named(&model.task().labels(scores)).top(settings.top_k as usize, settings.threshold);
        let meta = LabelsMeta { labels, window: placed.meta.window.clone() };
        post_result(self, |structure| meta.write(structure));
        let mut buffer = match media {
            HeadMedia::Numbers(_) => tensor_bytes::write(scores),
            _ if meta.labels.as_slice().is_empty() => {
                let gap = gst::event::Gap::builder(placed.pts).duration(meta.window.duration);
                self.stage.srcpad.push_event(gap.build());
                return Ok(());
            }
            HeadMedia::Json => gst::Buffer::from_mut_slice(self.line(placed, &meta).into_bytes()),
            _ => gst::Buffer::from_mut_slice(lines(&meta.labels).into_bytes()),
        };
        meta.attach(buffer.get_mut().expect("a new buffer has one owner"));
        self.push(buffer, placed.pts, &WindowMeta { inputs: None, ..placed.meta.clone() })
    }

    /// The labels under their names from a file, if there is one.
    fn named(&self, labels: &Labels) -> Labels {
        let names = lock(&self.names);
        let Some(names) = &*names else { return labels.clone() };
        let named = |label: &Label| Label { name: names[label.index].clone(), ..label.clone() };
        Labels::new(labels.as_slice().iter().map(named).collect())
    }

    /// A window's labels as one line of JSON. It names the stream, and its own place by stream time.
    fn line(&self, placed: &Placed, meta: &LabelsMeta) -> String {
        let start = self.stage.sinkpad.sticky_event::<gst::event::StreamStart>(0);
        let stream = start.as_ref().map(|start| start.stream_id().to_owned()).unwrap_or_default();
        let begins = meta.window.stream_time.unwrap_or(placed.pts);
        let window = Duration::from(begins)..Duration::from(begins + meta.window.duration);
        json_lines::labels(&Source { input: &stream, window: Some(window), model: &meta.window.model_hash }, &meta.labels)
    }

    /// How far an answer is from its window, where that is there and all of it was asked for.
    fn error(&self, meta: &WindowMeta, values: &[f32], head: Asked) -> Result<Option<ReconstructionError>, gst::FlowError> {
        let Some(inputs) = &meta.inputs else { return Ok(None) };
        let grid = lock(&self.stage.model).as_ref().map(|model| model.task().video_grid()).ok_or(gst::FlowError::Flushing)?;
        let error = match head {
            Asked::Video(queries) if queries == VideoQueries::default() => ReconstructionError::of_video(inputs, values, grid),
            Asked::Audio => ReconstructionError::of_audio(inputs, values),
            Asked::Video(_) | Asked::Labels => return Ok(None),
        };
        error.map(Some).map_err(|error| flow_error(self, &error))
    }

    /// Pushes frames one by one, or samples in one buffer.
    pub(super) fn push_piece(&self, piece: Piece) -> Result<(), gst::FlowError> {
        let Piece { pts, values, meta } = piece;
        let agreed =
            lock(&self.output).as_ref().and_then(|output| Some((output.media, output.size, output.joined.as_ref()?.units())));
        let (media, (width, height), units) = agreed.ok_or(gst::FlowError::NotNegotiated)?;
        if media == HeadMedia::Samples {
            let bytes: Vec<u8> = values.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            return self.push_timed(gst::Buffer::from_mut_slice(bytes), pts, units.time_of(values.len()), &meta);
        }
        for (number, levels) in values.chunks_exact(width * height * 3).enumerate() {
            let [begins, ends] = [number, number + 1].map(|number| units.time_of(number));
            self.push_timed(frame(levels, width, height), pts + begins, ends - begins, &meta)?;
        }
        Ok(())
    }

    /// Pushes what there is of a whole window.
    fn push(&self, buffer: gst::Buffer, pts: gst::ClockTime, meta: &WindowMeta) -> Result<(), gst::FlowError> {
        let mut buffer = buffer;
        buffer.get_mut().expect("a new buffer has one owner").set_offset(meta.window.id);
        self.push_timed(buffer, pts, meta.window.duration, meta)
    }

    fn push_timed(
        &self,
        mut buffer: gst::Buffer,
        pts: gst::ClockTime,
        duration: gst::ClockTime,
        meta: &WindowMeta,
    ) -> Result<(), gst::FlowError> {
        {
            let buffer = buffer.get_mut().expect("a new buffer has one owner");
            buffer.set_pts(pts);
            buffer.set_duration(duration);
            meta.attach(buffer);
        }
        self.stage.srcpad.push(buffer).map(drop)
    }
}

/// A frame of RGB, its rows padded to four bytes as `video/x-raw` has them.
fn frame(levels: &[f32], width: usize, height: usize) -> gst::Buffer {
    let stride = (width * 3).next_multiple_of(4);
    let mut bytes = vec![0; stride * height];
    for (row, levels) in bytes.chunks_exact_mut(stride).zip(levels.chunks_exact(width * 3)) {
        row.iter_mut().zip(levels).for_each(|(byte, level)| *byte = (level * 255.0).round().clamp(0.0, 255.0) as u8);
    }
    gst::Buffer::from_mut_slice(bytes)
}

/// A line for each label, as `speech 0.93`.
fn lines(labels: &Labels) -> String {
    let lines: Vec<String> = labels.as_slice().iter().map(|label| format!("{} {:.2}", label.name, label.confidence)).collect();
    lines.join("\n")
}
