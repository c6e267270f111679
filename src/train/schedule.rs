//! The learning rate over time: a linear rise, then half a cosine down to nothing (Loshchilov and Hutter 2017).

/// Rises over `warmup` steps to `peak`, then falls along a cosine to 0 at `steps`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the rise.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let progress = (step - self.warmup) as f64 / self.steps.saturating_sub(self.warmup).max(1) as f64;
        self.peak * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let schedule = Schedule { peak: 2.0, warmup: 10, steps: 110 };
        assert_eq!(schedule.rate(0), 0.2);
        assert_eq!(schedule.rate(9), 2.0);
        assert!((schedule.rate(60) - 1.0).abs() < 1e-9);
        assert!(schedule.rate(110) < 1e-9 && schedule.rate(1000) < 1e-9);
    }
}
