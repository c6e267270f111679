//! One file, read on a thread of its own, so that nobody has to wait for ever for a decoder that hangs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Job, content, stages::Stages, wanted::Wanted};
use crate::{
    error::{Error, Result},
    media::Picture,
    video_file::{Media, MediaReader, SkipTo, VideoFormat, VideoReader},
};

/// Frames and chunks that may wait to be cut.
const QUEUE: usize = 8;

/// What comes of a file, in this order: its key, and if more is wanted what it is like, its media, its end. A channel that ends without that is a broken reader.
#[derive(Debug)]
pub(super) enum Piece {
    Key(String),
    /// With the picture of frames that are passed over, where some may be.
    Opened(Opened, Option<Arc<Picture>>),
    /// With how many packets were damaged so far.
    Media(Media, u64),
    /// The same.
    End(u64),
}

/// What a file is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    /// None where it has no video.
    pub(super) video: Option<VideoFormat>,
    pub(super) has_sound: bool,
    /// How long it lasts, as far as it tells.
    pub(super) duration: Option<Duration>,
}

enum Reader {
    Pictures(VideoReader),
    Both(MediaReader),
}

/// Begins to read `path`; Dropping the receiver ends that, as soon as the decoder says something.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn start(path: &Path, job: &Job, stages: &Arc<Stages>, wanted: Wanted) -> Result<Receiver<Result<Piece>>> {
    let (pieces, receiver) = bounded(QUEUE);
    let (path, job, stages): (PathBuf, Job, _) = (path.to_owned(), job.clone(), stages.clone());
    let work = move || {
        if let Err(error) = read(&path, &job, &stages, &wanted, &pieces) {
            // Nobody listens when this cannot be said.
            let _ = pieces.send(Err(error));
        }
    };
    let refused = |error: std::io::Error| Error::Stopped { model: "reading".into(), reason: error.to_string() };
    std::thread::Builder::new().name("read".into()).spawn(work).map_err(refused)?;
    Ok(receiver)
}

fn read(path: &Path, job: &Job, stages: &Stages, wanted: &Wanted, pieces: &Sender<Result<Piece>>) -> Result<()> {
    let listening = |piece: Piece| pieces.send(Ok(piece)).is_ok();
    let key = stages.decode.during(|| content::key(path, job.model_hash(), &job.options()))?;
    if !listening(Piece::Key(key.clone())) || !wanted.more(&key) {
        return Ok(());
    }
    let mut reader = stages.decode.during(|| Reader::open(path, job))?;
    let opened = reader.opened();
    let stand_in = match (wanted.from(&key, &opened), opened.video) {
        (Some(place), Some(video)) => {
            let picture = Arc::new(Picture::from_fn(video.width, video.height, |_, _| [0; 3]));
            reader.skip_to(place, picture.clone());
            Some(picture)
        }
        _ => None,
    };
    if !listening(Piece::Opened(opened, stand_in)) {
        return Ok(());
    }
    while let Some(media) = stages.decode.during(|| reader.next())? {
        if !listening(Piece::Media(media, reader.damaged())) {
            return Ok(());
        }
    }
    listening(Piece::End(reader.damaged()));
    Ok(())
}

impl Reader {
    fn open(path: &Path, job: &Job) -> Result<Self> {
        match job.sample_rate() {
            None => VideoReader::open(path).map(Self::Pictures),
            Some(rate) => MediaReader::open(path, rate).map(Self::Both),
        }
    }

    fn opened(&self) -> Opened {
        match self {
            Self::Pictures(reader) => Opened { video: Some(reader.format()), has_sound: false, duration: reader.duration() },
            Self::Both(reader) => {
                Opened { video: reader.video_format(), has_sound: reader.has_sound(), duration: reader.duration() }
            }
        }
    }

    fn damaged(&self) -> u64 {
        match self {
            Self::Pictures(reader) => reader.damaged(),
            Self::Both(reader) => reader.damaged(),
        }
    }

    fn skip_to(&mut self, place: SkipTo, stand_in: Arc<Picture>) {
        match self {
            Self::Pictures(reader) => reader.skip_to(place, stand_in),
            Self::Both(reader) => reader.skip_to(place, stand_in),
        }
    }

    fn next(&mut self) -> Result<Option<Media>> {
        match self {
            Self::Pictures(reader) => Ok(reader.next_frame()?.map(Media::Frame)),
            Self::Both(reader) => reader.next_media(),
        }
    }
}
