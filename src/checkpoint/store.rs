//! Tensors by name, as views of mapped files or of memory: nothing is copied before it is asked for.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use safetensors::SafeTensors;

use crate::error::{Error, Result};

/// The content of a file.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    Mapped(Arc<Mmap>),
    InMemory(&'static [u8]),
}

impl Bytes {
    /// Maps a file.
    pub(super) fn mapped(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        // SAFETY: the map is read only. Somebody who writes to the file meanwhile changes numbers, which any number stands for; somebody who
        // truncates it ends the process, as with every mapped file.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path))?;
        Ok(Self::Mapped(Arc::new(map)))
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::InMemory(bytes) => bytes,
        }
    }

    /// Lets the system have the memory of a part of a mapped file back: whoever reads it again reads the file again.
    fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Self::Mapped(map) = self {
            // SAFETY: the map is read only and shared with the file, so that its pages come back as they were.
            #[allow(unsafe_code)]
            let released = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
            // A system that keeps them does no harm.
            drop(released);
        }
    }
}

/// Bytes of a file that are read before their memory is given back.
const PART: usize = 16 << 20;

/// Where a tensor is within its file, row by row. The range holds exactly the shape's elements.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    pub(super) range: Range<usize>,
}

/// The tensors of one or several files.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    files: Vec<(PathBuf, Bytes)>,
    tensors: BTreeMap<String, (usize, View)>,
}

impl Store {
    /// Adds a file and the views of its tensors.
    ///
    /// # Errors
    /// The name of a tensor that another file has as well.
    pub(super) fn add(&mut self, path: &Path, file: Bytes, views: BTreeMap<String, View>) -> Result<()> {
        if let Some(name) = views.keys().find(|name| self.tensors.contains_key(*name)) {
            return Err(Error::format(path, format!("tensor {name} is in another file as well; accepted is one place for each")));
        }
        let number = self.files.len();
        self.tensors.extend(views.into_iter().map(|(name, view)| (name, (number, view))));
        self.files.push((path.to_owned(), file));
        Ok(())
    }

    /// Every file with its content, in the order in which they were added.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files.iter().map(|(path, file)| (path.as_path(), file.as_slice()))
    }

    /// Reads every file from its first byte to its last, in parts, without keeping them in memory.
    pub(super) fn read_all(&self, mut read: impl FnMut(&[u8])) {
        for (_, file) in &self.files {
            for (number, part) in file.as_slice().chunks(PART).enumerate() {
                read(part);
                file.release(number * PART..number * PART + part.len());
            }
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn dtype(&self, name: &str) -> Option<DType> {
        self.tensors.get(name).map(|(_, view)| view.dtype)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(_, view)| view.shape.as_slice())
    }

    /// Numbers that a model learns, as the reference counts them: what batch norm notes of its inputs is none.
    pub(super) fn parameters(&self) -> usize {
        const NOTED: [&str; 3] = [".running_mean", ".running_var", ".num_batches_tracked"];
        let learned = self.tensors.iter().filter(|(name, _)| !NOTED.iter().any(|ending| name.ends_with(ending)));
        learned.map(|(_, (_, view))| view.shape.iter().product::<usize>()).sum()
    }

    /// Copies a tensor to a device; the memory of its file is given back.
    pub(super) fn load(&self, name: &str, device: &Device) -> candle_core::Result<Tensor> {
        let (view, bytes) = self.find(name).ok_or_else(|| candle_core::Error::Msg(format!("missing {name}")))?;
        let tensor = Tensor::from_raw_buffer(bytes, view.dtype, &view.shape, device);
        if let Some((number, view)) = self.tensors.get(name) {
            self.files[*number].1.release(view.range.clone());
        }
        tensor
    }

    /// Whether every element of a tensor is a finite number. One that is not makes every answer of the model worthless.
    pub(super) fn is_finite(&self, name: &str) -> bool {
        self.find(name).is_none_or(|(view, bytes)| is_finite(bytes, view.dtype))
    }

    /// A tensor's elements as they are in its file.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(|(_, bytes)| bytes)
    }

    fn find(&self, name: &str) -> Option<(&View, &[u8])> {
        let (number, view) = self.tensors.get(name)?;
        Some((view, self.files.get(*number)?.1.as_slice().get(view.range.clone())?))
    }
}

/// Whether every element is a finite number. Integers are.
pub(super) fn is_finite(bytes: &[u8], dtype: DType) -> bool {
    // What is not finite has every bit of the exponent set.
    let below = |mask: u16| move |element: &[u8]| u16::from_le_bytes([element[0], element[1]]) & mask != mask;
    match dtype {
        DType::F16 => bytes.chunks_exact(2).all(below(0x7C00)),
        DType::BF16 => bytes.chunks_exact(2).all(below(0x7F80)),
        DType::F32 => bytes.chunks_exact(4).all(|element| below(0x7F80)(&element[2..])),
        DType::F64 => bytes.chunks_exact(8).all(|element| below(0x7FF0)(&element[6..])),
        _ => true,
    }
}

/// The tensors of a `.safetensors` file.
pub(super) fn safetensors(path: &Path, file: &[u8]) -> Result<BTreeMap<String, View>> {
    let broken = |e| Error::format(path, format!("no intact safetensors file ({e})"));
    let tensors = SafeTensors::deserialize(file).map_err(broken)?;
    let view = |(name, tensor): (&str, safetensors::tensor::TensorView<'_>)| -> Result<(String, View)> {
        let dtype = DType::try_from(tensor.dtype()).map_err(|_| {
            Error::format(path, format!("tensor {name} has type {:?}; accepted are floats and signed integers", tensor.dtype()))
        })?;
        let start = tensor.data().as_ptr() as usize - file.as_ptr() as usize;
        Ok((name.to_owned(), View { dtype, shape: tensor.shape().to_vec(), range: start..start + tensor.data().len() }))
    };
    tensors.iter().map(view).collect()
}
