//! Windows to the model, answers back: what the streaming thread does between a buffer and another.

use crossbeam_channel::select;
use gst::subclass::prelude::*;
use perceiverflow::Error;

use super::{Answer, ModelElement, Question, lock, lose, lose_broken};
use crate::{
    asked::{Admission, Job, Reply, ReplyTicket},
    models::AskedModel,
    queue::Leaky,
    report::Loss,
};

/// Hands a window to the model, or drops it or another one.
///
/// # Errors
/// When the model has ended.
pub(crate) fn ask<I: ModelElement>(imp: &I, job: Job<Question<I>>) -> Result<(), gst::FlowError> {
    let base = imp.base();
    let leaky = base.live_settings().leaky;
    let admission = lock(&base.asked).admit(job, leaky);
    match admission {
        Admission::Tell(claim) => {
            let ticket = base.model()?.submit(claim).map_err(|error| fail(imp, &error))?;
            lock(&base.asked).tickets.push_back(ticket);
        }
        Admission::Lost(window) => {
            imp.lost(window);
            lose(imp, Loss::Leaked, window);
        }
    }
    Ok(())
}

/// Takes the answers that are there; with `wait`, all of them.
///
/// # Errors
/// What downstream says, or that the model has ended.
pub(crate) fn collect<I: ModelElement>(imp: &I, wait: bool) -> Result<(), gst::FlowError> {
    let asked = &imp.base().asked;
    while let Some(ticket) = next(imp) {
        let reply = if wait {
            await_reply(imp, &ticket)?
        } else {
            match ticket.try_wait().map_err(|error| fail(imp, &error))? {
                Some(reply) => reply,
                None => {
                    lock(asked).tickets.push_front(ticket);
                    return Ok(());
                }
            }
        };
        deliver(imp, reply)?;
    }
    Ok(())
}

/// Waits for the oldest window that is with the model; says whether there was one.
///
/// # Errors
/// What downstream says, or that the model has ended.
pub(crate) fn await_oldest<I: ModelElement>(imp: &I) -> Result<bool, gst::FlowError> {
    let Some(ticket) = next(imp) else { return Ok(false) };
    deliver(imp, await_reply(imp, &ticket)?)?;
    Ok(true)
}

/// Takes all answers where the stream waits for them, else those that are there, and gives up the others.
///
/// # Errors
/// What downstream says, or that the model has ended.
pub(crate) fn collect_or_withdraw<I: ModelElement>(imp: &I) -> Result<(), gst::FlowError> {
    let base = imp.base();
    let waits = base.live_settings().leaky == Leaky::No;
    collect(imp, waits)?;
    if !waits {
        let lost = lock(&base.asked).withdraw();
        imp.withdrawn();
        let mut report = lock(&base.report);
        (0..lost).for_each(|_| report.lose(Loss::Cut));
    }
    Ok(())
}

fn next<I: ModelElement>(imp: &I) -> Option<ReplyTicket<Answer<I>>> {
    lock(&imp.base().asked).tickets.pop_front()
}

/// Waits for one reply, or for a flush.
fn await_reply<I: ModelElement>(imp: &I, ticket: &ReplyTicket<Answer<I>>) -> Result<Option<Reply<Answer<I>>>, gst::FlowError> {
    let flush = imp.base().flush.receiver();
    select! {
        recv(ticket.reply()) -> reply => reply.unwrap_or_else(|_| ticket.wait()).map_err(|error| fail(imp, &error)),
        recv(flush) -> _ => Err(gst::FlowError::Flushing),
    }
}

fn deliver<I: ModelElement>(imp: &I, reply: Option<Reply<Answer<I>>>) -> Result<(), gst::FlowError> {
    let Some(Reply { id, model_hash, answer }) = reply else { return Ok(()) };
    match answer {
        Ok(answer) => imp.answered(id, model_hash, answer),
        Err(error) => {
            lose_broken(imp, &error, id);
            Ok(())
        }
    }
}

/// The worker has ended: nothing more can come of this model.
fn fail<I: ModelElement>(imp: &I, error: &Error) -> gst::FlowError {
    if let Ok(model) = imp.base().model() {
        model.give_up();
    }
    gst::element_imp_error!(imp, gst::LibraryError::Failed, ["{error}"]);
    gst::FlowError::Error
}
