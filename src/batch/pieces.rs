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
    pub(super) input: &'a Input,
}

impl Pieces<'_> {
    /// The next piece; none when somebody asked for the end.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let begin = Instant::now();
            let received = self.receiver.recv_timeout(self.left.map_or(ATTENTION, |left| left.min(ATTENTION)));
            self.left = self.left.map(|left| left.saturating_sub(begin.elapsed()));
            match received {
                Ok(piece) => return piece.map(Some),
                Err(RecvTimeoutError::Timeout) if self.left.is_none_or(|left| !left.is_zero()) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::format(
                        &self.input.path,
                        "time limit: the file was waited for longer than allowed, and given up",
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::format(&self.input.path, "its reader panicked"));
                }
            }
        }
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
