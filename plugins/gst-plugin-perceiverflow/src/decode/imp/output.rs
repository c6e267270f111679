//! Answers as buffers.

use std::time::Duration;

use gst::prelude::*;
use perceiverflow::tasks::{Head as Asked, ReconstructionError};

use super::{Decode, lock};
use crate::{
    caps::HeadMedia,
    decode::joined::{Joined, Piece},
    element, label_bytes,
    meta::{LabelsMeta, WindowMeta},
    stage::Placed,
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
        element::post_result(self, |structure| {
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
        let model = self.stage.base.model()?;
        let choice = lock(&self.stage.base.settings).own.labels.clone();
        let labels =
            choice.choose(model.task().labels(scores), |labels| model.task().holding(labels), lock(&self.names).as_ref());
        let meta = LabelsMeta { labels, window: placed.meta.window.clone() };
        element::post_result(self, |structure| meta.write(structure));
        let bytes = match media {
            HeadMedia::Labels(media) => label_bytes::write(&meta, placed.pts, media, &self.stream()),
            _ => Some(tensor_bytes::bytes(scores)),
        };
        let Some(bytes) = bytes else {
            let gap = gst::event::Gap::builder(placed.pts).duration(meta.window.duration);
            self.stage.base.srcpad.push_event(gap.build());
            return Ok(());
        };
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        meta.attach(buffer.get_mut().expect("a new buffer has one owner"));
        self.push(buffer, placed.pts, &WindowMeta { inputs: None, ..placed.meta.clone() })
    }

    /// The name of the stream that windows are of.
    fn stream(&self) -> String {
        let start = self.stage.base.sinkpad.sticky_event::<gst::event::StreamStart>(0);
        start.map(|start| start.stream_id().to_owned()).unwrap_or_default()
    }

    /// How far an answer is from what was asked for of its window, where that is there.
    fn error(&self, meta: &WindowMeta, values: &[f32], head: Asked) -> Result<Option<ReconstructionError>, gst::FlowError> {
        let Some(inputs) = &meta.inputs else { return Ok(None) };
        let grid = self.stage.base.model()?.task().video_grid();
        let error = match head {
            Asked::Video(queries) => ReconstructionError::of_video(inputs, values, grid, queries),
            Asked::Audio => ReconstructionError::of_audio(inputs, values),
            Asked::Labels => return Ok(None),
        };
        error.map(Some).map_err(|error| element::broken(self, &error))
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
        self.stage.base.push(buffer)
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
