//! The flow model that elements share, with the worker that runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use perceiverflow::{
    Error, Result,
    engine::{Ticket, Worker, WorkerOptions, WorkerStats},
    media::{FlowField, FramePair, Picture, TileGrid},
    tasks::{OpticalFlow, Tiling},
};

use crate::{
    models::{Key, Registry},
    queue::Claim,
    settings::ModelSettings,
};

static MODELS: Registry<FlowModel> = Registry::new();

/// Claims that may lie in the worker's channel. An element has as many as it has waiting windows, at most 64.
const CAPACITY: usize = 4096;

/// Which window of which stream.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    /// The window's number since the element started.
    pub(super) id: u64,
    /// Which stretch of frames without a discontinuity it belongs to.
    pub(super) stretch: u64,
    /// The first frame's timestamp.
    pub(super) pts: gst::ClockTime,
    pub(super) stream_time: Option<gst::ClockTime>,
    pub(super) running_time: Option<gst::ClockTime>,
    /// From the first frame to the second.
    pub(super) duration: gst::ClockTime,
}

/// One window on its way to the model.
#[derive(Debug)]
pub(super) struct FlowWindow {
    pub(super) tag: Tag,
    pub(super) pair: FramePair,
    pub(super) tiling: Tiling,
}

/// What the model made of a window.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tag: Tag,
    pub(super) model_hash: Arc<str>,
    pub(super) field: Result<Arc<FlowField>>,
}

/// The claim to an answer; none comes of a window that was withdrawn.
pub(super) type FlowTicket = Ticket<Option<Answer>>;

/// A loaded flow model.
#[derive(Debug)]
pub(super) struct FlowModel {
    key: Key,
    tile: (usize, usize),
    warm_up: Duration,
    worker: Worker<Claim<FlowWindow>, Option<Answer>>,
}

impl FlowModel {
    /// The process's model of these settings, loaded and warmed up if nobody holds it. Its batches are those of the element that
    /// loaded it.
    ///
    /// # Errors
    /// When a setting is none of those accepted, or the model cannot be loaded.
    pub(super) fn shared(settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        MODELS.get(&key, || Self::load(&key, settings))
    }

    /// The same model read again, for those who ask from now on.
    ///
    /// # Errors
    /// As [`FlowModel::shared`], and when its tile has another size, which streams that run could not take.
    pub(super) fn reloaded(&self, settings: &ModelSettings) -> Result<Arc<Self>> {
        let key = settings.key()?;
        MODELS.replace(&key, || {
            let new = Self::load(&key, settings)?;
            if new.tile == self.tile {
                return Ok(new);
            }
            let [given, accepted] = [new.tile, self.tile].map(|(width, height)| format!("{width}x{height}"));
            Err(Error::config("train_size", given, format!("{accepted}, as before the reload")))
        })
    }

    /// Has the next who asks load the model again, after its worker has ended.
    pub(super) fn give_up(self: &Arc<Self>) {
        MODELS.forget(&self.key, self);
    }

    fn load(key: &Key, settings: &ModelSettings) -> Result<Self> {
        let task = OpticalFlow::open(&key.model, key.device, key.precision)?;
        let (width, height) = task.tile();
        let black = Picture::from_fn(width, height, |_, _| [0; 3]);
        let start = Instant::now();
        task.estimate(&[(&black, &black)], Tiling::Fit)?;
        let warm_up = start.elapsed();
        let options = WorkerOptions {
            name: key.model.clone(),
            capacity: CAPACITY,
            batch_size: settings.batch_size as usize,
            batch_timeout: settings.batch_timeout.into(),
        };
        let hash: Arc<str> = task.hash().into();
        let worker = Worker::spawn(&options, move |claims: &[Claim<FlowWindow>]| answer(&task, &hash, claims))?;
        Ok(Self { key: key.clone(), tile: (width, height), warm_up, worker })
    }

    /// Tells the worker that one more window waits.
    ///
    /// # Errors
    /// When the worker has ended.
    pub(super) fn submit(&self, claim: Claim<FlowWindow>) -> Result<FlowTicket> {
        self.worker.submit(claim)
    }

    /// Refuses an overlap that the model's tile does not take.
    ///
    /// # Errors
    /// When tiles would not advance.
    pub(super) fn check(&self, tiling: Tiling) -> Result<()> {
        match tiling {
            Tiling::Native { overlap } => TileGrid::new(self.tile, self.tile, overlap).map(drop),
            Tiling::Fit => Ok(()),
        }
    }

    /// What one window of this size takes, reckoned from the tile of the warm-up.
    pub(super) fn expected(&self, size: (usize, usize), tiling: Tiling) -> Duration {
        let grid_size = (size.0.max(self.tile.0), size.1.max(self.tile.1));
        let tiles = match tiling {
            Tiling::Native { overlap } => TileGrid::new(grid_size, self.tile, overlap).map_or(1, |grid| grid.tiles().count()),
            Tiling::Fit => 1,
        };
        self.warm_up * u32::try_from(tiles).unwrap_or(u32::MAX)
    }

    /// What the worker has done for all its elements.
    pub(super) fn stats(&self) -> WorkerStats {
        self.worker.stats()
    }
}

/// One model call for the windows that are still wanted. A call takes one tiling, and elements that share a model may differ there.
fn answer(task: &OpticalFlow, hash: &Arc<str>, claims: &[Claim<FlowWindow>]) -> Result<Vec<Option<Answer>>> {
    let mut answers: Vec<Option<Answer>> = claims.iter().map(|_| None).collect();
    let mut open: Vec<(usize, &FlowWindow)> =
        claims.iter().enumerate().filter_map(|(at, claim)| claim.window().map(|window| (at, window))).collect();
    while let Some(&(_, first)) = open.first() {
        let (group, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, window)| window.tiling == first.tiling);
        open = others;
        let pairs: Vec<(&Picture, &Picture)> =
            group.iter().map(|(_, window)| (&*window.pair.first, &*window.pair.second)).collect();
        let fields: Vec<Result<Arc<FlowField>>> = match task.estimate(&pairs, first.tiling) {
            Ok(fields) => fields.into_iter().map(|field| Ok(Arc::new(field))).collect(),
            // The worker tries each window of a failed batch alone; alone, the fault is the window's and goes with its tag.
            Err(error) if claims.len() > 1 => return Err(error),
            Err(error) => vec![Err(error)],
        };
        for ((at, window), field) in group.into_iter().zip(fields) {
            answers[at] = Some(Answer { tag: window.tag.clone(), model_hash: hash.clone(), field });
        }
    }
    Ok(answers)
}
