//! The shell: pads, properties, and the hand that feeds the cutter.

use std::{
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};

use gst::{glib, prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};
use perceiverflow::{Error, media::ClipStream};

use super::{
    CAT,
    cutter::{Cut, Cutter, sound_format},
    settings::Settings,
};
use crate::{
    caps,
    element::{self, Segment},
    lock::lock,
};

/// The least time between two warnings.
const PAUSE: Duration = Duration::from_secs(1);

/// The element's state. Mutex order: none is taken while another is held, and none is held while anything is pushed or posted.
#[derive(Default)]
pub struct Preprocess {
    settings: Mutex<Settings>,
    cutter: Mutex<Option<Cutter>>,
    warned: Mutex<Option<Instant>>,
    /// The seek that came last.
    seek: Mutex<Option<gst::Seqnum>>,
}

/// Which stream a pad takes.
fn stream_of(pad: &gst_base::AggregatorPad) -> ClipStream {
    if pad.name() == "audio_sink" { ClipStream::Audio } else { ClipStream::Video }
}

#[glib::object_subclass]
impl ObjectSubclass for Preprocess {
    const NAME: &'static str = "GstPerceiverPreprocess";
    type Type = super::Preprocess;
    type ParentType = gst_base::Aggregator;
}

impl ObjectImpl for Preprocess {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = Settings::properties();
            properties.push(
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb(
                        "windows-out, windows-dropped, windows-empty, missing-pictures, missing-samples, late-frames, late-samples, \
                         resyncs, slips (uint64, since the element started)",
                    )
                    .read_only()
                    .build(),
            );
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "stats" => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        // A pad whose stream has not begun does not hold a live pipeline up.
        self.obj().set_ignore_inactive_pads(true);
    }
}

impl GstObjectImpl for Preprocess {}

impl ElementImpl for Preprocess {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            element::metadata(
                "Perceiver windows",
                "Filter/Converter/Video/Audio",
                "Cuts video and sound into the windows of a Perceiver IO model",
                "gst-launch-1.0 perceiverpreprocess name=windows model=MODEL ! queue ! perceiverencode model=MODEL ! \
                     perceiverdecode model=MODEL head=labels ! text/x-raw ! fdsink videotestsrc num-buffers=64 ! \
                     video/x-raw,framerate=25/1 ! windows.video_sink",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            use gst::{
                PadDirection::{Sink, Src},
                PadPresence::{Always, Request},
            };
            [
                ("video_sink", Sink, Request, caps::video()),
                ("audio_sink", Sink, Request, caps::audio(None)),
                ("src", Src, Always, caps::any_inputs()),
            ]
            .map(|(name, direction, presence, caps)| {
                let kind = gst_base::AggregatorPad::static_type();
                gst::PadTemplate::with_gtype(name, direction, presence, &caps, kind).expect("the caps are valid")
            })
            .into()
        });
        &TEMPLATES
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if let (Some(pad), Some(cutter)) = (pad.downcast_ref(), lock(&self.cutter).as_mut()) {
            cutter.finish(stream_of(pad));
        }
        self.parent_release_pad(pad);
    }
}

impl AggregatorImpl for Preprocess {
    fn create_new_pad(
        &self,
        template: &gst::PadTemplate,
        _name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst_base::AggregatorPad> {
        let name = template.name_template();
        if self.obj().static_pad(name).is_some() {
            gst::warning!(CAT, imp = self, "{name} is there already");
            return None;
        }
        let pad = gst::PadBuilder::<gst_base::AggregatorPad>::from_template(template).name(name).build();
        if let Some(cutter) = lock(&self.cutter).as_mut() {
            cutter.open(stream_of(&pad));
        }
        Some(pad)
    }

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let has = |name| self.obj().static_pad(name).is_some();
        let cutter = Cutter::new(&settings, has("video_sink"), has("audio_sink")).map_err(|error| element::refusal(&error))?;
        let shape = cutter.preprocessor().shape();
        // A window's last picture is known to be its last when the next frame comes.
        let latency = shape.duration() + shape.time_of(shape.samples_per_frame as u64);
        *lock(&self.cutter) = Some(cutter);
        *lock(&self.warned) = None;
        self.obj().set_latency(gst::ClockTime::try_from(latency).unwrap_or_default(), gst::ClockTime::NONE);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.warn_of_losses(true);
        let cutter = lock(&self.cutter).take();
        drop(cutter);
        Ok(())
    }

    fn flush(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.with(Cutter::reset)?;
        self.parent_flush()
    }

    fn src_event(&self, event: gst::Event) -> bool {
        // Behind a tee each branch sends the same seek. GStreamer 1.22's base class passes one on and never lets go of the others.
        if event.type_() == gst::EventType::Seek && lock(&self.seek).replace(event.seqnum()) == Some(event.seqnum()) {
            return true;
        }
        self.parent_src_event(event)
    }

    fn sink_query(&self, pad: &gst_base::AggregatorPad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Caps(caps) if stream_of(pad) == ClipStream::Audio => {
                let rate = lock(&self.cutter).as_ref().map(|cutter| cutter.preprocessor().shape().sample_rate);
                let own = caps::audio(rate);
                let filtered = caps.filter().map(|filter| filter.intersect_with_mode(&own, gst::CapsIntersectMode::First));
                caps.set_result(&filtered.unwrap_or(own));
                true
            }
            // The rate is looked at when the caps come, where there are words for what is wrong with them.
            gst::QueryViewMut::AcceptCaps(accept) => {
                let accepted = accept.caps().is_subset(&pad.pad_template_caps());
                accept.set_result(accepted);
                true
            }
            _ => self.parent_sink_query(pad, query),
        }
    }

    fn sink_event_pre_queue(&self, pad: &gst_base::AggregatorPad, event: gst::Event) -> Result<gst::FlowSuccess, gst::FlowError> {
        if let gst::EventView::Caps(caps) = event.view()
            && stream_of(pad) == ClipStream::Audio
        {
            let rate = lock(&self.cutter).as_ref().map(|cutter| cutter.preprocessor().shape().sample_rate);
            let known = sound_format(caps.caps(), rate.ok_or(gst::FlowError::Flushing)?);
            if let Err(error) = known {
                self.refuse_caps(&error);
                return Err(gst::FlowError::NotNegotiated);
            }
        }
        self.parent_sink_event_pre_queue(pad, event)
    }

    fn sink_event(&self, pad: &gst_base::AggregatorPad, event: gst::Event) -> bool {
        let stream = stream_of(pad);
        match event.view() {
            gst::EventView::Caps(caps) => {
                let set = self.with(|cutter| match stream {
                    ClipStream::Video => cutter.set_video(caps.caps()),
                    ClipStream::Audio => cutter.set_audio(caps.caps()),
                });
                match set {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        self.refuse_caps(&error);
                        return false;
                    }
                    Err(_) => return false,
                }
            }
            gst::EventView::Segment(segment) => {
                let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
                    let format = segment.segment().format();
                    gst::element_imp_error!(self, gst::StreamError::Format, ["segment in {format:?}: accepted is time"]);
                    return false;
                };
                // The video leads; without any the audio does.
                if stream == ClipStream::Video || self.obj().static_pad("video_sink").is_none() {
                    let Ok(segment) = self.with(|cutter| cutter.lead(segment)) else { return false };
                    self.obj().update_segment(&segment);
                }
            }
            _ => {}
        }
        self.parent_sink_event(pad, event)
    }

    fn update_src_caps(&self, _caps: &gst::Caps) -> Result<gst::Caps, gst::FlowError> {
        self.with(|cutter| {
            let rate = caps::window_rate(&cutter.preprocessor().shape(), cutter.stride_frames());
            caps::inputs(cutter.preprocessor(), Some(rate))
        })
    }

    fn next_time(&self) -> Option<gst::ClockTime> {
        let reckoned = self.with(|cutter| cutter.next_start()).ok()?;
        reckoned.or_else(|| self.first_start()).and_then(|time| gst::ClockTime::try_from(time).ok())
    }

    fn aggregate(&self, timeout: bool) -> Result<gst::FlowSuccess, gst::FlowError> {
        // What has come in time is taken before a window is given up.
        let mut due = if timeout { self.with(|cutter| cutter.next_start())?.or(self.first_start()) } else { None };
        loop {
            let cut = self.with(Cutter::next)?.map_err(|error| {
                gst::element_imp_error!(self, gst::StreamError::Failed, ["{error}"]);
                gst::FlowError::Error
            })?;
            match cut {
                Some(cut) => self.push(cut)?,
                None if self.feed(timeout)? => {}
                None => match due.take() {
                    Some(start) => self.with(|cutter| cutter.give_up(start))?,
                    None => break,
                },
            }
        }
        let pads = self.pads();
        let all_ended = !pads.is_empty() && pads.iter().all(gst_base::prelude::AggregatorPadExt::is_eos);
        self.warn_of_losses(all_ended);
        if all_ended { Err(gst::FlowError::Eos) } else { Ok(gst::FlowSuccess::Ok) }
    }
}

impl Preprocess {
    fn with<R>(&self, f: impl FnOnce(&mut Cutter) -> R) -> Result<R, gst::FlowError> {
        lock(&self.cutter).as_mut().map(f).ok_or(gst::FlowError::Flushing)
    }

    fn pads(&self) -> Vec<gst_base::AggregatorPad> {
        self.obj().sink_pads().into_iter().filter_map(|pad| pad.downcast().ok()).collect()
    }

    /// Gives the cutter the earliest of what it wants; says whether there was anything. While one pad is empty nothing is taken, unless time
    /// is up: the base class calls again when each pad has something, and a pad emptied too soon would keep it from calling.
    fn feed(&self, timeout: bool) -> Result<bool, gst::FlowError> {
        let (ended, running): (Vec<_>, Vec<_>) = self.pads().into_iter().partition(gst_base::prelude::AggregatorPadExt::is_eos);
        let (full, empty): (Vec<_>, Vec<_>) = running.into_iter().partition(gst_base::prelude::AggregatorPadExt::has_buffer);
        let (absent, awaited): (Vec<_>, Vec<_>) = empty.into_iter().partition(gst_base::prelude::AggregatorPadExt::is_inactive);
        if self.finish_open(&ended)? {
            return Ok(true);
        }
        if !timeout && !awaited.is_empty() {
            return Ok(false);
        }
        let wanted = self.with(|cutter| full.iter().filter(|pad| cutter.wants(stream_of(pad))).min_by_key(|pad| turn(pad)))?;
        match wanted {
            Some(pad) => self.take(pad),
            None if !awaited.is_empty() || full.is_empty() => Ok(false),
            // The base class waited once for a stream that has not begun, and does not again.
            None if self.finish_open(&absent)? => Ok(true),
            // Waiting with every pad full would never end.
            None => full.iter().min_by_key(|pad| turn(pad)).map_or(Ok(false), |pad| self.take(pad)),
        }
    }

    /// Tells the cutter that these pads have nothing more for now; says whether that was news.
    fn finish_open(&self, pads: &[gst_base::AggregatorPad]) -> Result<bool, gst::FlowError> {
        self.with(|cutter| {
            let open: Vec<_> = pads.iter().map(stream_of).filter(|&stream| cutter.is_open(stream)).collect();
            open.iter().for_each(|&stream| cutter.finish(stream));
            !open.is_empty()
        })
    }

    /// Moves one buffer from a pad to the cutter.
    fn take(&self, pad: &gst_base::AggregatorPad) -> Result<bool, gst::FlowError> {
        let Some(buffer) = pad.pop_buffer() else { return Ok(false) };
        let Some(segment) = segment_of(pad) else { return Err(gst::FlowError::NotNegotiated) };
        let stream = stream_of(pad);
        self.with(|cutter| {
            if !cutter.is_open(stream) {
                cutter.open(stream);
            }
            cutter.push(stream, &buffer, &segment)
        })?
        .map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["{error}"]);
            gst::FlowError::Error
        })?;
        Ok(true)
    }

    fn push(&self, cut: Cut) -> Result<(), gst::FlowError> {
        if let Some((from, duration)) = cut.gap {
            self.obj().src_pad().push_event(gst::event::Gap::builder(from).duration(duration).build());
        }
        gst::log!(CAT, imp = self, "window {} at {:?}", cut.meta.window.id, cut.clip.time);
        let buffer = cut.into_buffer().map_err(|error| {
            gst::element_imp_error!(self, gst::StreamError::Format, ["{error}"]);
            gst::FlowError::Error
        })?;
        self.finish_buffer(buffer).map(drop)
    }

    /// The earliest time that waits at a pad.
    fn first_start(&self) -> Option<Duration> {
        self.pads().iter().filter_map(head_time).min().map(Into::into)
    }

    fn refuse_caps(&self, error: &Error) {
        gst::element_imp_error!(self, gst::StreamError::WrongType, ["{error}"]);
    }

    /// Warns of what was lost since the last warning: when that is long enough ago, or when there will be no other occasion.
    fn warn_of_losses(&self, last: bool) {
        let now = Instant::now();
        let early = lock(&self.warned).is_some_and(|warned| now.saturating_duration_since(warned) < PAUSE);
        if early && !last {
            return;
        }
        if let Ok(Some(stats)) = self.with(Cutter::untold) {
            *lock(&self.warned) = Some(now);
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                [
                    "since the start {} windows were left out, {} frames and {} samples came too late",
                    stats.dropped,
                    stats.late_frames,
                    stats.late_samples
                ]
            );
        }
    }

    fn stats(&self) -> gst::Structure {
        let stats = lock(&self.cutter).as_ref().map(Cutter::stats).unwrap_or_default();
        gst::Structure::builder("perceiver-stats")
            .field("windows-out", stats.windows)
            .field("windows-dropped", stats.dropped)
            .field("windows-empty", stats.empty)
            .field("missing-pictures", stats.missing_pictures)
            .field("missing-samples", stats.missing_samples)
            .field("late-frames", stats.late_frames)
            .field("late-samples", stats.late_samples)
            .field("resyncs", stats.resyncs)
            .field("slips", stats.slips)
            .build()
    }
}

fn segment_of(pad: &gst_base::AggregatorPad) -> Option<Segment> {
    gst_base::prelude::AggregatorPadExtManual::segment(pad).downcast().ok()
}

/// Which pad's buffer comes first: the earlier one; of two that begin together the video's, as it may end the windows of the sound.
fn turn(pad: &gst_base::AggregatorPad) -> (Option<gst::ClockTime>, bool) {
    (head_time(pad), stream_of(pad) == ClipStream::Audio)
}

/// The running time of the buffer that waits at a pad.
fn head_time(pad: &gst_base::AggregatorPad) -> Option<gst::ClockTime> {
    segment_of(pad)?.to_running_time(pad.peek_buffer()?.pts()?)
}
