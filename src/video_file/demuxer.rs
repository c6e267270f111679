//! From a file to packets, past damage, to an end that is the file's own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ffmpeg_next::{Error as LibavError, Packet, Rational, format::context::Input, rescale::TIME_BASE};

use super::{
    input::{self, FAILURES_IN_A_ROW, is_damage, start_ticks},
    time::TimeBase,
    unwrapped::duration_is_declared,
};
use crate::error::{Error, Result};

/// A file may end this much earlier than it says, or a twentieth of its length: containers round, and sound outlasts pictures.
const TOLERATED_LOSS: Duration = Duration::from_millis(500);

/// The packets of a file, in its order.
pub(super) struct Demuxer {
    pub(super) path: PathBuf,
    pub(super) input: Input,
    damaged: u64,
    failures: u32,
    delivered: bool,
    last_end: Duration,
}

impl Demuxer {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let input = input::open(path)?;
        Ok(Self { path: path.to_owned(), input, damaged: 0, failures: 0, delivered: false, last_end: Duration::ZERO })
    }

    /// The next packet of any stream; none at the end, or where there is so much damage that going on makes no sense.
    pub(super) fn next_packet(&mut self) -> Result<Option<Packet>> {
        let mut packet = Packet::empty();
        while !self.given_up() {
            match packet.read(&mut self.input) {
                Ok(()) => {
                    self.note_end(&packet);
                    return Ok(Some(packet));
                }
                Err(LibavError::Eof) => return Ok(None),
                Err(error) if is_damage(error) => self.skip(),
                Err(error) => {
                    let reason = format!("reading failed after {:.3} s ({error})", self.last_end.as_secs_f64());
                    return Err(Error::format(&self.path, reason));
                }
            }
        }
        Ok(None)
    }

    /// Counts something that could not be decoded.
    pub(super) fn skip(&mut self) {
        self.damaged += 1;
        self.failures += 1;
    }

    /// Counts something of which only a part could be decoded: it is there, but not as it was.
    pub(super) fn mend(&mut self) {
        self.damaged += 1;
    }

    /// Whether there was so much damage without anything usable in between that going on makes no sense.
    pub(super) fn given_up(&self) -> bool {
        self.failures >= FAILURES_IN_A_ROW
    }

    /// Notes that something was decoded.
    pub(super) fn deliver(&mut self) {
        self.delivered = true;
        self.failures = 0;
    }

    /// Packets and frames so far that were skipped or are not as they were.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// How long the file says it lasts.
    pub(super) fn duration(&self) -> Option<Duration> {
        declared(self.input.duration(), TIME_BASE)
    }

    /// Looks back from the end.
    ///
    /// # Errors
    /// When nothing was decoded or the file ends long before it says.
    pub(super) fn end(&self) -> Result<()> {
        if !self.delivered {
            return Err(Error::format(&self.path, "nothing in the file could be decoded"));
        }
        match self.duration().filter(|_| duration_is_declared(&self.input)) {
            Some(whole) if self.last_end + TOLERATED_LOSS.max(whole / 20) < whole => Err(Error::format(
                &self.path,
                format!(
                    "the file is truncated: it ends after {:.3} s of the {:.3} s that it declares",
                    self.last_end.as_secs_f64(),
                    whole.as_secs_f64()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Remembers how far the file has been read, by the clock of whichever stream.
    fn note_end(&mut self, packet: &Packet) {
        let Some(stream) = self.input.stream(packet.stream()) else { return };
        let clock = stream.time_base();
        let end = packet.pts().or(packet.dts()).map(|at| at - start_ticks(&self.input, clock) + packet.duration().max(0));
        if let Some(end) = end.and_then(|ticks| declared(ticks, clock)) {
            self.last_end = self.last_end.max(end);
        }
    }
}

/// `ticks` of a clock as a time; none where they are not above 0, which is how libav says that it does not know.
pub(super) fn declared(ticks: i64, clock: Rational) -> Option<Duration> {
    let ticks = u64::try_from(ticks).ok().filter(|&ticks| ticks > 0)?;
    Some(TimeBase::new(clock.numerator(), clock.denominator())?.time(ticks))
}
