//! Windows in, answers out.

use std::{sync::Arc, time::Duration};

use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::{Result, engine::Answer};

use super::{
    Placed, WindowStage,
    line::{Line, Step},
};
use crate::{
    asked::Job,
    element::{self, Base, ModelElement, Segment},
    lock::lock,
    meta::{ResultWindow, WindowMeta},
    multimodal::MultimodalModel,
    queue::Leaky,
    report::Loss,
    settings::Settings,
    times,
};

/// The offset of a buffer that has none.
const NO_OFFSET: u64 = u64::MAX;

impl<I: WindowStage> ModelElement for I {
    type Own = I::Settings;
    type Model = MultimodalModel;
    const REMEDY: &'static str = "leaky=downstream or a longer stride help";

    fn category() -> gst::DebugCategory {
        I::debug_category()
    }

    fn base(&self) -> &Base<Self> {
        &self.stage().base
    }

    fn start(&self, model: &Arc<MultimodalModel>, settings: &Settings<I::Settings>) -> Result<()> {
        self.prepare(model, &settings.own)?;
        let stage = self.stage();
        *lock(&stage.line) = Line::default();
        *lock(&stage.segment) = Segment::new();
        *lock(&stage.period) = Duration::ZERO;
        Ok(())
    }

    fn stop(&self) {
        self.forget();
        lock(&self.stage().line).reset();
        let successor = lock(&self.stage().successor).take();
        drop(successor);
    }

    /// The new model begins with the next window.
    fn adopt(&self, model: Arc<MultimodalModel>) {
        let replaced = lock(&self.stage().successor).replace(model);
        drop(replaced);
    }

    fn expected(&self, model: &MultimodalModel) -> Duration {
        self.processing(model)
    }

    fn delays(&self, processing: Duration, waits: bool) -> Option<[Duration; 2]> {
        let period = self.period();
        let spare = lock(&self.base().settings).inference.max_size_buffers;
        // One that never waits has windows before this one, and its answer leaves with the next.
        let own = if waits { processing } else { processing * (spare + 1) + period };
        Some([own + self.kept(period); 2])
    }

    fn period(&self) -> Duration {
        *lock(&self.stage().period)
    }

    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        gst::trace!(I::category(), imp = self, "{buffer:?}");
        change_models(self)?;
        let base = self.base();
        let model = base.model()?;
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            lock(&self.stage().line).discontinuity();
        }
        let mut placed = place(self, &buffer, &model);
        lock(&base.report).windows_in += 1;
        if base.is_late(placed.meta.window.running_time) {
            let id = lock(&self.stage().line).wait(placed);
            self.lost(id);
            element::lose(self, Loss::Late, id);
        } else {
            let question = self.question(&buffer, &mut placed, &model).map_err(|error| {
                gst::element_imp_error!(self, gst::StreamError::Decode, ["window {}: {error}", placed.meta.window.id]);
                gst::FlowError::Error
            })?;
            let id = lock(&self.stage().line).wait(placed);
            element::ask(self, Job { id, question })?;
        }
        element::collect(self, base.live_settings().leaky == Leaky::No)?;
        release(self)?;
        element::warn_if_due(self);
        Ok(gst::FlowSuccess::Ok)
    }

    fn answered(&self, window: u64, _model_hash: Arc<str>, answer: Answer) -> Result<(), gst::FlowError> {
        lock(&self.stage().line).settle(window, Some(answer));
        Ok(())
    }

    fn lost(&self, window: u64) {
        lock(&self.stage().line).settle(window, None);
    }

    fn withdrawn(&self) {
        lock(&self.stage().line).abandon();
    }

    fn close(&self) -> Result<(), gst::FlowError> {
        element::collect_or_withdraw(self)?;
        release(self)?;
        self.give_rest()
    }

    fn drain(&self) -> Result<(), gst::FlowError> {
        element::collect(self, true)?;
        release(self)?;
        self.give_rest()
    }

    fn reset(&self) {
        lock(&self.stage().line).reset();
        self.forget();
        *lock(&self.stage().segment) = Segment::new();
    }

    fn take_caps(&self, caps: &gst::CapsRef) -> Result<gst::Caps, gst::ErrorMessage> {
        let rate = caps.structure(0).and_then(|structure| structure.get("framerate").ok());
        *lock(&self.stage().period) = rate.and_then(times::period).unwrap_or_default();
        let stopped = |_| gst::error_msg!(gst::CoreError::StateChange, ["windows come before the element has started"]);
        self.set_caps(caps, &*self.base().model().map_err(stopped)?)
    }

    fn take_segment(&self, segment: &Segment) {
        *lock(&self.stage().segment) = segment.clone();
        lock(&self.stage().line).end = segment.start().unwrap_or_default();
    }

    fn take_event(&self, event: gst::Event) -> Result<(), gst::FlowError> {
        lock(&self.stage().line).event(event);
        release(self)
    }

    fn take_gap(&self, gap: gst::Event) -> Result<(), gst::FlowError> {
        lock(&self.stage().line).discontinuity();
        self.take_event(gap)
    }
}

/// Where a buffer's window lies. What metadata does not say, its timestamp and the segment do.
fn place<I: WindowStage>(imp: &I, buffer: &gst::BufferRef, model: &MultimodalModel) -> Placed {
    let stage = imp.stage();
    let known = WindowMeta::of(buffer);
    let counted = lock(&stage.base.report).windows_in;
    let segment = lock(&stage.segment).clone();
    // A window without a timestamp begins where the one before ended.
    let mut line = lock(&stage.line);
    let pts = buffer.pts().unwrap_or(line.end);
    let known_duration = known.as_ref().map(|known| known.window.duration);
    let duration = buffer.duration().or(known_duration).unwrap_or_default();
    line.end = pts + duration;
    // Recorded windows have only their offset.
    let offset = Some(buffer.offset()).filter(|&offset| offset != NO_OFFSET);
    let id = known.as_ref().map(|known| known.window.id).or(offset);
    let window = ResultWindow {
        id: id.unwrap_or(counted),
        stream_time: segment.to_stream_time(pts),
        running_time: segment.to_running_time(pts),
        duration,
        model_hash: model.hash().clone(),
    };
    Placed { pts, meta: WindowMeta { window, inputs: known.and_then(|known| known.inputs), error: None } }
}

/// Lets a reloaded model take the place of the one before, after that one's windows.
fn change_models<I: WindowStage>(imp: &I) -> Result<(), gst::FlowError> {
    let stage = imp.stage();
    let Some(successor) = lock(&stage.successor).take() else { return Ok(()) };
    imp.close()?;
    let replaced = lock(&stage.base.model).replace(successor);
    // The last holder of the old one waits for its thread, after the lock is free.
    drop(replaced);
    let caps = stage.base.sinkpad.current_caps().ok_or(gst::FlowError::NotNegotiated)?;
    let out = imp.take_caps(&caps).map_err(|error| {
        imp.post_error_message(error);
        gst::FlowError::NotNegotiated
    })?;
    element::announce_latency(imp);
    // Should downstream refuse them, so it does the next window.
    stage.base.srcpad.push_event(gst::event::Caps::new(&out));
    Ok(())
}

/// Pushes the windows and events whose turn it is.
fn release<I: WindowStage>(imp: &I) -> Result<(), gst::FlowError> {
    let stage = imp.stage();
    loop {
        let step = lock(&stage.line).step();
        match step {
            Step::Window(placed, Some(answer)) => {
                gst::log!(I::category(), imp = imp, "window {} at {}", placed.meta.window.id, placed.pts);
                element::count_out(imp);
                imp.give(placed, answer)?;
            }
            Step::Window(placed, None) if imp.leaves_hole() => {
                let gap = gst::event::Gap::builder(placed.pts).duration(placed.meta.window.duration);
                stage.base.srcpad.push_event(gap.build());
            }
            Step::Window(_, None) => {}
            Step::Event(event) => {
                stage.base.srcpad.push_event(event);
            }
            Step::Break => imp.give_rest()?,
            Step::Nothing => return Ok(()),
        }
    }
}
