//! Sound of any rate, format and number of channels to one channel of 32-bit floats.

use std::{collections::VecDeque, time::Duration};

use ffmpeg_next::{
    ChannelLayout, Dictionary, Error,
    format::{Sample, sample::Type},
    frame,
    software::resampling::Context,
};

use crate::media::AudioChunk;

const SECOND: i128 = 1_000_000_000;

/// Times that lie further than this from the end of the frame before, in nanoseconds, are a jump: nothing is resampled across it.
const JUMP: i128 = 40_000_000;

/// Room for what the filter holds beyond the delay that it tells.
const SPARE: usize = 64;

/// The low pass of a conversion: that of GStreamer's `audioresample` at the quality it has where none is asked for, so that a program and a
/// pipeline hear the same. As far as can be measured, what both make of noise differs by 0.4 % when the rate falls.
const LOW_PASS: [(&str, &str); 4] = [("filter_size", "48"), ("cutoff", "0.92"), ("filter_type", "kaiser"), ("kaiser_beta", "6")];

/// What a conversion was set up for: sample format, channels and rate.
type Source = (Sample, ChannelLayout, u32);

/// Converts decoded sound by libswresample. All channels count alike, and together stay within −1 … 1.
pub(super) struct ToMono {
    rate: u32,
    current: Option<Stretch>,
    ready: VecDeque<AudioChunk>,
}

/// Sound without a jump or a change of format.
struct Stretch {
    source: Source,
    context: Context,
    /// When the next frame begins, if nothing is missing, in nanoseconds.
    expected: i128,
    /// Samples of the source that went in, and of the result that came out.
    taken: u64,
    given: u64,
}

impl ToMono {
    /// To `rate` samples a second.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, current: None, ready: VecDeque::new() }
    }

    /// Converts a frame that is heard `time` nanoseconds from the start, or after the one before where that is not known.
    pub(super) fn convert(&mut self, decoded: &frame::Audio, time: Option<i64>) -> Result<(), Error> {
        let source = (decoded.format(), decoded.channel_layout(), decoded.rate());
        let expected = self.current.as_ref().map_or(0, |stretch| stretch.expected);
        let time = time.map_or(expected, i128::from);
        if self.current.as_ref().is_some_and(|stretch| stretch.source != source || (time - expected).abs() > JUMP) {
            self.finish()?;
        }
        let stretch = match &mut self.current {
            Some(stretch) => stretch,
            none => none.insert(Stretch::begin(source, self.rate)?),
        };
        let first = time - stretch.lag(self.rate);
        stretch.expected = time + spent(decoded.samples() as u64, decoded.rate());
        let samples = stretch.run(Some(decoded), self.rate)?;
        self.deliver(samples, first);
        Ok(())
    }

    /// Takes what the filter still holds.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        let Some(mut stretch) = self.current.take() else { return Ok(()) };
        let time = stretch.expected - stretch.lag(self.rate);
        let samples = stretch.run(None, self.rate)?;
        self.deliver(samples, time);
        Ok(())
    }

    /// The next converted samples.
    pub(super) fn next_chunk(&mut self) -> Option<AudioChunk> {
        self.ready.pop_front()
    }

    /// Keeps samples that begin at `time`, without those before zero, the run-in of a codec.
    fn deliver(&mut self, mut samples: Vec<f32>, time: i128) {
        let early = (-time).max(0) * i128::from(self.rate);
        let run_in = ((early + SECOND / 2) / SECOND).min(samples.len() as i128) as usize;
        samples.drain(..run_in);
        if !samples.is_empty() {
            let time = Duration::from_nanos((time + spent(run_in as u64, self.rate)).max(0) as u64);
            self.ready.push_back(AudioChunk { samples, rate: self.rate, time });
        }
    }
}

impl Stretch {
    fn begin(source: Source, rate: u32) -> Result<Self, Error> {
        let (format, channels, source_rate) = source;
        let mono = (Sample::F32(Type::Packed), ChannelLayout::MONO);
        let options: Dictionary<'_> = LOW_PASS.iter().chain(&[("rematrix_maxval", "1.0")]).copied().collect();
        let context = Context::get_with(format, channels, source_rate, mono.0, mono.1, rate, options)?;
        Ok(Self { source, context, expected: 0, taken: 0, given: 0 })
    }

    /// How much later the next frame begins than the next sample that comes out: what the filter holds, in nanoseconds.
    fn lag(&self, rate: u32) -> i128 {
        spent(self.taken, self.source.2) - spent(self.given, rate)
    }

    /// Converts a frame, or what is left.
    fn run(&mut self, decoded: Option<&frame::Audio>, rate: u32) -> Result<Vec<f32>, Error> {
        let held = self.context.delay().map_or(0, |delay| delay.output as usize);
        let more = decoded.map_or(0, |decoded| decoded.samples() as u64 * u64::from(rate) / u64::from(self.source.2));
        let mut mono = frame::Audio::new(Sample::F32(Type::Packed), held + more as usize + SPARE, ChannelLayout::MONO);
        match decoded {
            Some(decoded) => self.context.run(decoded, &mut mono)?,
            None => self.context.flush(&mut mono)?,
        };
        let samples = mono.plane::<f32>(0)[..mono.samples()].to_vec();
        self.taken += decoded.map_or(0, frame::Audio::samples) as u64;
        self.given += samples.len() as u64;
        Ok(samples)
    }
}

/// How long `samples` samples last, in nanoseconds.
fn spent(samples: u64, rate: u32) -> i128 {
    i128::from(samples) * SECOND / i128::from(rate.max(1))
}
