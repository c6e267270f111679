//! Windows in, answers out: the streaming thread.

use std::{sync::atomic::Ordering, time::Instant};

use crossbeam_channel::select;
use gst::{prelude::*, subclass::prelude::*};
use perceiverflow::Error;

use super::{
    Placed, WindowStage, bus,
    line::{Admission, Line, Step},
    lock,
};
use crate::{
    meta::{ResultWindow, WindowMeta},
    multimodal::{Reply, ReplyTicket},
    queue::Leaky,
    report::Loss,
};

/// The offset of a buffer that has none.
const NO_OFFSET: u64 = u64::MAX;

pub(super) fn chain<I: WindowStage>(imp: &I, buffer: &gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
    gst::trace!(I::category(), imp = imp, "{buffer:?}");
    let stage = imp.stage();
    adopt(imp)?;
    let model = lock(&stage.model).clone().ok_or(gst::FlowError::Flushing)?;
    let live = lock(&stage.settings).live;
    if buffer.flags().contains(gst::BufferFlags::DISCONT) {
        with_line(imp, Line::discontinuity)?;
    }
    let mut placed = place(imp, buffer)?;
    lock(&stage.report).windows_in += 1;
    if live.qos && lock(&stage.lateness).is_late(placed.meta.window.running_time) {
        let window = with_line(imp, |line| line.pass_over(placed))?;
        lose(imp, Loss::Late, window);
    } else {
        let question = imp.question(buffer, &mut placed, &model).map_err(|error| {
            gst::element_imp_error!(imp, gst::StreamError::Decode, ["window {}: {error}", placed.meta.window.id]);
            gst::FlowError::Error
        })?;
        match with_line(imp, |line| line.admit(placed, question, live.leaky))? {
            Admission::Tell(claim) => {
                let ticket = model.submit(claim).map_err(|error| fail(imp, &error))?;
                with_line(imp, |line| line.tickets.push_back(ticket))?;
            }
            Admission::Lost(window) => lose(imp, Loss::Leaked, window),
        }
    }
    collect(imp, live.leaky == Leaky::No)?;
    release(imp)?;
    warn_if_due(imp);
    Ok(gst::FlowSuccess::Ok)
}

/// Where a buffer's window lies. What metadata does not say, its timestamp and the segment do.
fn place<I: WindowStage>(imp: &I, buffer: &gst::BufferRef) -> Result<Placed, gst::FlowError> {
    let stage = imp.stage();
    let known = WindowMeta::of(buffer);
    let counted = lock(&stage.report).windows_in;
    let segment = lock(&stage.segment).clone();
    let hash = lock(&stage.model).as_ref().map(|model| model.hash().clone()).ok_or(gst::FlowError::Flushing)?;
    with_line(imp, |line| {
        // A window without a timestamp begins where the one before ended.
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
            model_hash: hash,
        };
        Placed { pts, meta: WindowMeta { window, inputs: known.and_then(|known| known.inputs), error: None } }
    })
}

/// Lets a reloaded model take the place of the one before, after that one's windows.
fn adopt<I: WindowStage>(imp: &I) -> Result<(), gst::FlowError> {
    let stage = imp.stage();
    let Some(successor) = lock(&stage.successor).take() else { return Ok(()) };
    close(imp)?;
    let replaced = lock(&stage.model).replace(successor.clone());
    // The last holder of the old one waits for its thread, after the lock is free.
    drop(replaced);
    let caps = stage.sinkpad.current_caps().ok_or(gst::FlowError::NotNegotiated)?;
    imp.set_caps(&caps, &successor).map_err(|error| {
        imp.post_error_message(error);
        gst::FlowError::NotNegotiated
    })?;
    bus::announce_latency(imp);
    Ok(())
}

/// Takes the answers that are there; with `wait`, all of them.
pub(super) fn collect<I: WindowStage>(imp: &I, wait: bool) -> Result<(), gst::FlowError> {
    while let Some(ticket) = with_line(imp, |line| line.tickets.pop_front())? {
        let reply = if wait {
            self::wait(imp, &ticket)?
        } else {
            match ticket.try_wait().map_err(|error| fail(imp, &error))? {
                Some(reply) => reply,
                None => return with_line(imp, |line| line.tickets.push_front(ticket)),
            }
        };
        let Some(Reply { id, answer }) = reply else { continue };
        let answer = answer.map_err(|error| lose(imp, Loss::Broken(error.to_string()), id)).ok();
        with_line(imp, |line| line.settle(id, answer))?;
    }
    Ok(())
}

/// Waits for one answer, or for a flush.
fn wait<I: WindowStage>(imp: &I, ticket: &ReplyTicket) -> Result<Option<Reply>, gst::FlowError> {
    let flush = imp.stage().flush.receiver();
    select! {
        recv(ticket.reply()) -> reply => reply.unwrap_or_else(|_| ticket.wait()).map_err(|error| fail(imp, &error)),
        recv(flush) -> _ => Err(gst::FlowError::Flushing),
    }
}

/// Pushes the windows and events whose turn it is.
pub(super) fn release<I: WindowStage>(imp: &I) -> Result<(), gst::FlowError> {
    let stage = imp.stage();
    loop {
        match with_line(imp, Line::step)? {
            Step::Window(placed, Some(answer)) => {
                lock(&stage.report).windows_out += 1;
                gst::log!(I::category(), imp = imp, "window {} at {}", placed.meta.window.id, placed.pts);
                imp.give(placed, answer)?;
                warn_if_slow(imp);
            }
            Step::Window(placed, None) if imp.leaves_hole() => {
                stage.srcpad.push_event(gst::event::Gap::builder(placed.pts).duration(placed.meta.window.duration).build());
            }
            Step::Window(_, None) => {}
            Step::Event(event) => {
                stage.srcpad.push_event(event);
            }
            Step::Break => imp.give_rest()?,
            Step::Nothing => return Ok(()),
        }
    }
}

/// Ends the windows that are open and pushes all answers: before a new timeline or other caps.
pub(super) fn close<I: WindowStage>(imp: &I) -> Result<(), gst::FlowError> {
    let stage = imp.stage();
    let leaky = lock(&stage.settings).live.leaky;
    if leaky == Leaky::No {
        return drain(imp);
    }
    collect(imp, false)?;
    let lost = with_line(imp, Line::withdraw)?;
    (0..lost).for_each(|_| lock(&stage.report).lose(Loss::Cut));
    release(imp)?;
    imp.give_rest()
}

/// Waits for the windows that are open and pushes all answers.
pub(super) fn drain<I: WindowStage>(imp: &I) -> Result<(), gst::FlowError> {
    collect(imp, true)?;
    release(imp)?;
    imp.give_rest()
}

pub(super) fn with_line<I: WindowStage, R>(imp: &I, f: impl FnOnce(&mut Line) -> R) -> Result<R, gst::FlowError> {
    lock(&imp.stage().line).as_mut().map(f).ok_or(gst::FlowError::Flushing)
}

/// Counts the loss of a window, by its number in the line.
fn lose<I: WindowStage>(imp: &I, loss: Loss, window: u64) {
    gst::debug!(I::category(), imp = imp, "window {window} dropped: {loss:?}");
    lock(&imp.stage().report).lose(loss);
}

fn warn_if_due<I: WindowStage>(imp: &I) {
    let due = lock(&imp.stage().report).due(Instant::now());
    if let Some(untold) = due {
        crate::bus::warn_of(&*imp.obj(), &untold, &bus::pace(imp));
    }
}

/// Warns of a model that makes a live stream wait.
fn warn_if_slow<I: WindowStage>(imp: &I) {
    let stage = imp.stage();
    if !stage.live.load(Ordering::Relaxed) || lock(&stage.settings).live.leaky != Leaky::No {
        return;
    }
    let pace = bus::pace(imp);
    let is_slow = pace.factor().is_some_and(|factor| factor > 0.0 && factor < 1.0);
    if is_slow && lock(&stage.report).may_warn(Instant::now()) {
        gst::element_imp_warning!(
            imp,
            gst::CoreError::Clock,
            ("the model cannot keep up with a live stream, which waits for it"),
            ["{pace}; leaky=downstream or a longer stride help"]
        );
    }
}

/// The worker has ended: nothing more can come of this model.
pub(super) fn fail<I: WindowStage>(imp: &I, error: &Error) -> gst::FlowError {
    let model = lock(&imp.stage().model).clone();
    if let Some(model) = model {
        model.give_up();
    }
    gst::element_imp_error!(imp, gst::LibraryError::Failed, ["{error}"]);
    gst::FlowError::Error
}

/// An answer that is none to the question that was asked, or cannot be fetched.
pub(crate) fn flow_error<I: WindowStage>(imp: &I, error: &Error) -> gst::FlowError {
    gst::element_imp_error!(imp, gst::StreamError::Failed, ["{error}"]);
    gst::FlowError::Error
}
