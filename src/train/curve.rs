//! The learning curve: a CSV file, and a picture of it.

use std::{fmt::Write as _, io::Write as _, path::Path};

use crate::{
    error::{Error, Result},
    formats::write_beside,
    media::Picture,
    render::draw_text,
};

/// One row of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Steps taken.
    pub step: u64,
    /// Seconds spent in training, over all its sessions.
    pub seconds: f64,
    /// The learning rate.
    pub rate: f64,
    /// The loss, a mean over the steps since the row before.
    pub loss: f64,
    /// The same loss of the running mean of the weights, on examples that are not trained on.
    pub validation: f64,
    /// That of an answer that does not look at its input: zero everywhere.
    pub zero: f64,
}

/// A learning curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    points: Vec<CurvePoint>,
}

const HEADER: &str = "step,seconds,rate,loss,validation,zero";
const INK: [u8; 3] = [40, 40, 40];
const GRID: [u8; 3] = [225, 225, 225];
const LOSS: [u8; 3] = [150, 180, 220];
const VALIDATION: [u8; 3] = [200, 60, 30];

impl Curve {
    /// Reads a CSV file, or begins anew where there is none; rows after `step` are dropped, to be written again.
    ///
    /// # Errors
    /// When the file cannot be read or is no curve.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(Error::io(path)(e)),
        };
        let row = |line: &str| -> Option<CurvePoint> {
            let numbers: Vec<f64> = line.split(',').map(|field| field.parse().ok()).collect::<Option<_>>()?;
            let [step, seconds, rate, loss, validation, zero] = numbers.try_into().ok()?;
            Some(CurvePoint { step: step as u64, seconds, rate, loss, validation, zero })
        };
        let points =
            text.lines().skip(1).map(|line| row(line).ok_or_else(|| Error::format(path, format!("no row of {HEADER}: {line}"))));
        let points: Vec<CurvePoint> = points.collect::<Result<_>>()?;
        Ok(Self { points: points.into_iter().filter(|point| point.step <= step).collect() })
    }

    /// The rows so far.
    pub fn points(&self) -> &[CurvePoint] {
        &self.points
    }

    /// Adds a row, rounded as it is written: a curve that is read again is the same.
    pub fn push(&mut self, point: CurvePoint) {
        let CurvePoint { step, seconds, rate, loss, validation, zero } = point;
        let [loss, validation, zero] = [loss, validation, zero].map(rounded);
        self.points.push(CurvePoint { step, seconds: (seconds * 10.0).round() / 10.0, rate, loss, validation, zero });
    }

    /// Whether no row so far has a lower validation.
    pub fn is_lowest(&self, validation: f64) -> bool {
        // In this order NaN is above every number.
        self.points.iter().all(|point| rounded(validation).total_cmp(&point.validation).is_le())
    }

    /// Writes `curve.csv` and `curve.png` into `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut text = format!("{HEADER}\n");
        for CurvePoint { step, seconds, rate, loss, validation, zero } in &self.points {
            let _ = writeln!(text, "{step},{seconds:.1},{rate:e},{loss:.5},{validation:.5},{zero:.5}");
        }
        write_beside(folder.join("curve.csv"), |file| file.write_all(text.as_bytes()))?;
        write_beside(folder.join("curve.png"), |file| file.write_all(&self.picture().to_png()))
    }

    /// The losses over the steps, both axes from zero.
    pub fn picture(&self) -> Picture {
        const WIDTH: usize = 720;
        const HEIGHT: usize = 400;
        const LEFT: usize = 56;
        const BOTTOM: usize = 360;
        let mut picture = Picture::from_fn(WIDTH, HEIGHT, |_, _| [255; 3]);
        let last = self.points.last().map_or(1, |point| point.step).max(1) as f64;
        let highest = self.points.iter().flat_map(|point| [point.loss, point.validation, point.zero]).fold(1e-3, f64::max);
        let top = (highest * 4.0).ceil() / 4.0;
        let x = |step: f64| LEFT as f64 + step / last * (WIDTH - LEFT - 20) as f64;
        let y = |loss: f64| BOTTOM as f64 - loss / top * (BOTTOM - 40) as f64;
        for part in 0..=4 {
            let share = f64::from(part) / 4.0;
            line(&mut picture, (x(0.0), y(top * share)), (x(last), y(top * share)), GRID);
            draw_text(&mut picture, 8, y(top * share) as usize - 4, 1, &format!("{:.2}", top * share), INK);
            draw_text(&mut picture, x(last * share) as usize - 16, BOTTOM + 8, 1, &format!("{:.0}", last * share), INK);
        }
        for pair in self.points.windows(2) {
            let mut segment = |value: fn(&CurvePoint) -> f64, colour| {
                let at = |point: &CurvePoint| (x(point.step as f64), y(value(point)));
                line(&mut picture, at(&pair[0]), at(&pair[1]), colour);
            };
            segment(|point| point.zero, INK);
            segment(|point| point.loss, LOSS);
            segment(|point| point.validation, VALIDATION);
        }
        draw_text(&mut picture, LEFT, 14, 1, "loss: training", LOSS);
        draw_text(&mut picture, LEFT + 130, 14, 1, "validation", VALIDATION);
        draw_text(&mut picture, LEFT + 230, 14, 1, "blind answer", INK);
        draw_text(&mut picture, WIDTH / 2 - 16, HEIGHT - 14, 1, "steps", INK);
        picture
    }
}

/// To the five decimals of the file.
fn rounded(loss: f64) -> f64 {
    (loss * 1e5).round() / 1e5
}

/// A line two pixels wide.
fn line(picture: &mut Picture, from: (f64, f64), to: (f64, f64), colour: [u8; 3]) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0) as usize;
    for step in 0..=steps {
        let share = step as f64 / steps as f64;
        let at = ((from.0 + (to.0 - from.0) * share) as usize, (from.1 + (to.1 - from.1) * share) as usize);
        picture.set_pixel(at.0, at.1, colour);
        picture.set_pixel(at.0, at.1 + 1, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_on_where_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let point = |step| CurvePoint { step, seconds: step as f64, rate: 1e-3, loss: 2.0, validation: 1.5, zero: 2.25 };
        let mut curve = Curve::default();
        [10, 20, 30].map(point).into_iter().for_each(|point| curve.push(point));
        curve.save(folder.path()).unwrap();
        let read = Curve::open(&folder.path().join("curve.csv"), 20).unwrap();
        assert_eq!(read.points(), [point(10), point(20)]);
        assert!(curve.is_lowest(1.5) && curve.is_lowest(1.500_004) && !curve.is_lowest(1.500_006) && !curve.is_lowest(f64::NAN));
        assert!(Picture::open(folder.path().join("curve.png")).unwrap().rgb().contains(&VALIDATION[0]));
    }
}
