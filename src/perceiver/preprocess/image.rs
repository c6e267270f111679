//! Images and video to tokens: `PerceiverImagePreprocessor` (Perceiver IO, sections 4.2 and 4.4).

use candle_core::{D, DType, Module, Tensor};
use serde::Deserialize;

use super::{Conv2dDownsample, VideoProfile, space_to_depth};
use crate::{
    error::{Error, Result},
    perceiver::{Block, Join, Linear, PositionArguments, PositionEncoding, Weights},
};

/// How pixels become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrepType {
    /// A 7×7 convolution of stride 2, batch norm, ReLU and a 3×3 max pool of stride 2.
    #[default]
    Conv,
    /// A 1×1 convolution.
    Conv1x1,
    /// Blocks of pixels, optionally through a linear layer.
    Patches,
    /// Pixels as they are.
    Pixels,
}

/// Arguments of the preprocessor, named as published and with the published defaults.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// How pixels become tokens.
    pub prep_type: PrepType,
    /// Pixels of a token's side. `conv` always reduces by about 4, whatever this says.
    pub spatial_downsample: usize,
    /// Frames of a token.
    pub temporal_downsample: usize,
    /// Colour channels.
    pub in_channels: usize,
    /// Feature channels after a convolution or linear layer.
    pub out_channels: usize,
    /// Whether patches go through a linear layer.
    pub conv_after_patching: bool,
    /// Channels of a patch with its frames.
    pub conv_after_patching_in_channels: usize,
    /// What is measured of a video, beside its patches' pixels; its channels count among those of a patch. Not in the published code.
    #[serde(skip)]
    pub profile: Option<VideoProfile>,
    /// Whether `conv` has its batch norm.
    pub conv2d_use_batchnorm: bool,
    /// How positions meet features.
    pub concat_or_add_pos: Join,
    /// Arguments of the positions.
    #[serde(flatten)]
    pub positions: PositionArguments,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            prep_type: PrepType::Conv,
            spatial_downsample: 4,
            temporal_downsample: 1,
            in_channels: 3,
            out_channels: 64,
            conv_after_patching: false,
            conv_after_patching_in_channels: 54,
            profile: None,
            conv2d_use_batchnorm: true,
            concat_or_add_pos: Join::Concat,
            positions: PositionArguments::default(),
        }
    }
}

impl ImageOptions {
    /// Channels of the features, before the positions. For a preprocessor of pixels that skips rows and columns the published count is
    /// kept: it skips colours where there is no time axis.
    fn feature_channels(&self, axes: usize) -> usize {
        let spatial = self.spatial_downsample;
        match self.prep_type {
            PrepType::Conv | PrepType::Conv1x1 => self.out_channels,
            PrepType::Patches if self.conv_after_patching => self.out_channels,
            PrepType::Patches => self.in_channels * spatial * spatial * if axes > 2 { self.temporal_downsample } else { 1 },
            PrepType::Pixels if axes > 2 => self.in_channels,
            PrepType::Pixels => self.in_channels.div_ceil(spatial),
        }
    }
}

/// Images (B × C × Y × X) or video (B × T × C × Y × X) to tokens.
#[derive(Clone, Debug)]
pub struct ImagePreprocessor {
    options: ImageOptions,
    stem: Stem,
    positions: PositionEncoding,
    num_channels: usize,
}

#[derive(Clone, Debug)]
enum Stem {
    Conv(Conv2dDownsample),
    Conv1x1(Linear),
    Patches(Option<Linear>),
    Pixels,
}

impl ImagePreprocessor {
    /// Reads `convnet.…`, `convnet_1x1`, `conv_after_patches`, `position_embeddings.…` and `positions_projection`, as far as the options
    /// ask for them.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, or the options do not go together.
    pub fn new(options: ImageOptions, weights: &Weights<'_>) -> Result<Self> {
        let spatial = options.spatial_downsample;
        if spatial == 0 || options.temporal_downsample == 0 {
            return Err(Error::config("spatial_downsample, temporal_downsample", 0, "1 or more"));
        }
        let is_conv = matches!(options.prep_type, PrepType::Conv | PrepType::Conv1x1);
        if is_conv && options.temporal_downsample != 1 {
            return Err(Error::config("temporal_downsample", options.temporal_downsample, "1 with a convolution"));
        }
        let power_of_four = spatial.is_power_of_two() && spatial.ilog2().is_multiple_of(2);
        if options.prep_type == PrepType::Conv && !power_of_four {
            return Err(Error::config("spatial_downsample", spatial, "a power of 4 with prep_type conv"));
        }
        let stem = match options.prep_type {
            PrepType::Conv => {
                let (from, to) = (options.in_channels, options.out_channels);
                Stem::Conv(Conv2dDownsample::new(from, to, options.conv2d_use_batchnorm, &weights.pp("convnet"))?)
            }
            PrepType::Conv1x1 => Stem::Conv1x1(weights.pp("convnet_1x1").pointwise(options.in_channels, options.out_channels)?),
            PrepType::Patches => Stem::Patches(
                options
                    .conv_after_patching
                    .then(|| {
                        let from = options.conv_after_patching_in_channels;
                        weights.pp("conv_after_patches").linear(from, options.out_channels)
                    })
                    .transpose()?,
            ),
            PrepType::Pixels => Stem::Pixels,
        };
        let positions = options.positions.build("position_embeddings", weights)?;
        let positions = positions.ok_or_else(|| Error::config("position_encoding_type", "none", "fourier or trainable"))?;
        let num_channels = match options.concat_or_add_pos {
            Join::Add => positions.channels(),
            Join::Concat => positions.channels() + options.feature_channels(positions.axes()),
        };
        Ok(Self { options, stem, positions, num_channels })
    }

    /// C, channels of a token.
    pub fn num_channels(&self) -> usize {
        self.num_channels
    }

    /// Tokens of `images`: B × C × Y × X, or B × T × C × Y × X for patches and pixels. `interpolate` resizes a learned table of positions
    /// to the image's own grid.
    ///
    /// # Errors
    /// When the image does not fit the options.
    pub fn forward(&self, images: &Tensor, interpolate: bool) -> Result<Block> {
        let measures = self.options.profile.map(|profile| profile.measure(images)).transpose()?;
        self.forward_beside(images, measures.as_ref(), interpolate)
    }

    /// The same with more channels for each patch, B × Y/s × X/s × channels, behind its pixels and before the linear layer.
    ///
    /// # Errors
    /// When the image or the channels do not fit the options.
    pub fn forward_beside(&self, images: &Tensor, more: Option<&Tensor>, interpolate: bool) -> Result<Block> {
        let features = self.features(&images.to_dtype(DType::F32)?, more)?;
        let dims = features.dims();
        let (b, grid, channels) = (dims[0], &dims[1..dims.len() - 1], dims[dims.len() - 1]);
        let positions = self.positions.grid(grid, interpolate, features.dtype(), features.device())?;
        let features = features.reshape((b, grid.iter().product::<usize>(), channels))?;
        let positions = Some((positions, self.options.concat_or_add_pos));
        // Pixels without their convolution are a hundredth of its features, and whoever reads them may never need those.
        let lift = if let Stem::Conv1x1(layer) = &self.stem { Some(layer.clone()) } else { None };
        Ok(Block { positions, lift, ..Block::bare(features) })
    }

    /// B × grid × feature channels; those of a 1×1 convolution before it.
    fn features(&self, images: &Tensor, more: Option<&Tensor>) -> Result<Tensor> {
        let channels_last = |x: Tensor| -> Result<Tensor> { Ok(x.permute((0, 2, 3, 1))?.contiguous()?) };
        let flat = || Error::tensor("image", images.dims(), "B, C, Y, X with a convolution");
        match &self.stem {
            Stem::Conv(conv) if images.rank() == 4 => channels_last(conv.forward(images)?),
            Stem::Conv1x1(_) if images.rank() == 4 => {
                let stride = self.options.spatial_downsample;
                channels_last(every(&every(images, 2, stride)?, 3, stride)?)
            }
            Stem::Conv(_) | Stem::Conv1x1(_) => Err(flat()),
            Stem::Patches(linear) => {
                let patches = space_to_depth(images, self.options.temporal_downsample, self.options.spatial_downsample)?;
                let patches = if patches.rank() == 5 && patches.dim(1)? == 1 { patches.squeeze(1)? } else { patches };
                let patches = more.map_or_else(|| Ok(patches.clone()), |more| Tensor::cat(&[&patches, more], D::Minus1))?;
                match linear {
                    Some(linear) => Ok(linear.forward(&patches)?),
                    None => Ok(patches),
                }
            }
            Stem::Pixels => self.pixels(images),
        }
    }

    /// Every `t`-th frame, row and column. An image without a time axis loses rows of the *batch* and colours instead, as in the reference.
    fn pixels(&self, images: &Tensor) -> Result<Tensor> {
        let (spatial, temporal) = (self.options.spatial_downsample, self.options.temporal_downsample);
        match images.rank() {
            4 => {
                let x = every(&every(images, 0, spatial)?, 1, spatial)?;
                Ok(x.permute((0, 2, 3, 1))?.contiguous()?)
            }
            5 => {
                let x = every(&every(&every(images, 1, temporal)?, 3, spatial)?, 4, spatial)?;
                Ok(x.permute((0, 1, 3, 4, 2))?.contiguous()?)
            }
            _ => Err(Error::tensor("image", images.dims(), "B, C, Y, X or B, T, C, Y, X")),
        }
    }
}

/// Every `step`-th part along an axis.
fn every(x: &Tensor, axis: usize, step: usize) -> Result<Tensor> {
    if step == 1 {
        return Ok(x.clone());
    }
    let kept: Vec<u32> = (0..x.dim(axis)? as u32).step_by(step).collect();
    let kept = Tensor::new(kept, x.device())?;
    Ok(x.contiguous()?.index_select(&kept, axis)?)
}
