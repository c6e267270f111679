//! Where numbers are held: on every device present, in every precision.

use candle_core::{Device, Tensor};
use perceiverflow::compute::{DeviceChoice, Precision};

use crate::fixture::relative_error;

/// Largest difference over largest magnitude that separates right from wrong. In float32 a tanh GELU or a wrong epsilon shows above it; in
/// 16 bits it is what rounding the matrices costs.
const TOLERANCES: [(Precision, f64); 3] = [(Precision::F32, 2e-5), (Precision::F16, 2e-2), (Precision::Bf16, 2e-2)];

const DEVICES: [DeviceChoice; 3] = [DeviceChoice::Cpu, DeviceChoice::Cuda(0), DeviceChoice::Metal];

/// A device, a precision, and how close results are there.
pub(crate) struct Setting {
    pub(crate) choice: DeviceChoice,
    pub(crate) device: Device,
    pub(crate) precision: Precision,
    tolerance: f64,
}

impl Setting {
    /// Every precision on every device that this build can use and that is there.
    pub(crate) fn all() -> Vec<Self> {
        let present = DEVICES.into_iter().filter_map(|choice| Some((choice, choice.open().ok()?)));
        let each = |(choice, device): (DeviceChoice, Device)| {
            TOLERANCES.map(|(precision, tolerance)| Self { choice, device: device.clone(), precision, tolerance })
        };
        present.flat_map(each).collect()
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.choice, self.precision)
    }

    /// Fails with the name of what differs.
    #[track_caller]
    pub(crate) fn assert_close(&self, what: &str, given: &Tensor, expected: &Tensor) {
        let error = relative_error(given, expected);
        assert!(error <= self.tolerance, "{what} on {}: relative error {error:.2e}", self.name());
    }
}

#[test]
fn the_processor_is_always_held() {
    let names: Vec<String> = Setting::all().iter().map(Setting::name).collect();
    println!("held on: {}", names.join(", "));
    assert_eq!(names[..3], ["cpu f32", "cpu f16", "cpu bf16"]);
}
