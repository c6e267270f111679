//! What comes of a file that is being read, waited for as long as it may be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{
    Input,
    reading::{Opened, Piece},
};
use crate::{
    error::{Error, Result},
    media::Picture,
};

/// How long an end that was asked for may go unnoticed while a file keeps everybody waiting.
const ATTENTION: Duration = Duration::from_millis(100);

/// What comes of a file, for as long as it may be waited for in all.
pub(super) struct Pieces<'a> {
    pub(super) receiver: Receiver<Result<Piece>>,
    pub(super) stop: &'a AtomicBool,
    /// How long it may still be waited for.
    pub(super) left: Option<Duration>,
    /// How long it may give nothing.
    pub(super) stall_limit: Duration,
    pub(super) input: &'a Input,
}

impl Pieces<'_> {
    /// The next piece; none when somebody asked for the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        let mut silent = Duration::ZERO;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let patience = self.left.map_or(self.stall_limit - silent, |left| left.min(self.stall_limit - silent));
            let begin = Instant::now();
            let received = self.receiver.recv_timeout(patience.min(ATTENTION));
            let waited = begin.elapsed();
            silent = (silent + waited).min(self.stall_limit);
            self.left = self.left.map(|left| left.saturating_sub(waited));
            match received {
                Ok(piece) => return piece.map(Some),
                Err(RecvTimeoutError::Timeout) if self.left.is_some_and(|left| left.is_zero()) => {
                    return Err(self.given_up("time limit: the file was waited for longer than allowed, and given up"));
                }
                Err(RecvTimeoutError::Timeout) if silent == self.stall_limit => {
                    let seconds = self.stall_limit.as_secs_f64();
                    return Err(self.given_up(&format!("its decoder hangs: it gave nothing for {seconds} s, and was given up")));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.given_up("its reader panicked")),
            }
        }
    }

    fn given_up(&self, reason: &str) -> Error {
        Error::format(&self.input.path, reason)
    }

    /// The file's key; none when somebody asked for the end.
    pub(super) fn key(&mut self) -> Result<Option<String>> {
        match self.next()? {
            Some(Piece::Key(key)) => Ok(Some(key)),
            _ => Ok(None),
        }
    }

    /// What the file is like, and the picture of frames that are passed over; none when somebody asked for the end.
    pub(super) fn opened(&mut self) -> Result<Option<(Opened, Option<Arc<Picture>>)>> {
        match self.next()? {
            Some(Piece::Opened(opened, stand_in)) => Ok(Some((opened, stand_in))),
            _ => Ok(None),
        }
    }
}
