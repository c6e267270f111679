//! A checkpoint written anew, from whatever it was read.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use candle_core::{DType, Device};
use safetensors::View as _;
use serde_json::{Value, json};

use super::{Checkpoint, WEIGHTS, files, store::is_finite};
use crate::{
    error::{Error, Result},
    formats::write_beside,
};

impl Checkpoint {
    /// Writes `config.json`, `model.safetensors` and what else belongs to the model into a new folder, as Hugging Face's libraries read
    /// it. Floating-point tensors become `dtype`, [`DType::F32`], [`DType::F16`] or [`DType::BF16`]; without one they stay as they are.
    /// The folder appears once all of it is written.
    ///
    /// # Errors
    /// When there is something of that name, a number is too large for `dtype`, or a file cannot be written; nothing is left then.
    pub fn convert(&self, folder: &Path, dtype: Option<DType>) -> Result<()> {
        if let Some(dtype) = dtype.filter(|dtype| !matches!(dtype, DType::F32 | DType::F16 | DType::BF16)) {
            return Err(Error::option("dtype", dtype.as_str(), "f32, f16 or bf16"));
        }
        if folder.exists() {
            return Err(Error::format(folder, "there already; accepted is the name of a new folder"));
        }
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".converting.");
        #[cfg(unix)]
        {
            // Temporary folders are private; this one is to end up like any other, and the system takes the umask off.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let pending = builder.tempdir_in(above).map_err(Error::io(folder))?;
        let place = |name: &str| pending.path().join(name);
        fs::write(place(files::CONFIG), self.config_with(dtype)).map_err(Error::io(folder))?;
        for name in files::COMPANIONS {
            if let Some(from) = self.folder().map(|from| from.join(name)).filter(|from| from.is_file()) {
                fs::copy(&from, place(name)).map_err(Error::io(&from))?;
            }
        }
        self.write_weights(&place(WEIGHTS), dtype)?;
        fs::rename(pending.path(), folder).map_err(Error::io(folder))?;
        let _ = pending.keep();
        Ok(())
    }

    /// The configuration as it was read, every field of others kept, with the type of its weights.
    fn config_with(&self, dtype: Option<DType>) -> Vec<u8> {
        let name = match dtype {
            Some(DType::F16) => "float16",
            Some(DType::BF16) => "bfloat16",
            Some(_) => "float32",
            None => return self.config_text.to_vec(),
        };
        // It is an object: it was read as one.
        let mut config: BTreeMap<String, Value> = serde_json::from_slice(&self.config_text).unwrap_or_default();
        // The old name of the field, which old and new libraries read.
        config.remove("dtype");
        config.insert("torch_dtype".to_owned(), name.into());
        format!("{:#}\n", json!(config)).into_bytes()
    }

    fn write_weights(&self, path: &Path, dtype: Option<DType>) -> Result<()> {
        let become_of = |from: DType| dtype.filter(|_| from.is_float()).unwrap_or(from);
        let mut tensors: Vec<(&str, DType)> =
            self.store.names().filter_map(|name| Some((name, become_of(self.store.dtype(name)?)))).collect();
        // Wide numbers first: then each begins at a multiple of its width.
        tensors.sort_by_key(|&(name, dtype)| (std::cmp::Reverse(dtype.size_in_bytes()), name));
        let (mut entries, mut end) = (BTreeMap::from([("__metadata__", json!({ "format": "pt" }))]), 0);
        for &(name, dtype) in &tensors {
            let shape = self.store.shape(name).unwrap_or_default();
            let start = end;
            end += shape.iter().product::<usize>() * dtype.size_in_bytes();
            let kind = safetensors::Dtype::from(dtype);
            entries.insert(name, json!({ "dtype": kind, "shape": shape, "data_offsets": [start, end] }));
        }
        let mut header = json!(entries).to_string();
        let aligned = header.len().next_multiple_of(8);
        header.extend(std::iter::repeat_n(' ', aligned - header.len()));
        let mut refused = Ok(());
        let written = write_beside(path, |file| {
            let mut file = BufWriter::new(file);
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(header.as_bytes())?;
            for &(name, dtype) in &tensors {
                match self.write_tensor(name, dtype, &mut file) {
                    Err(Error::Io { source, .. }) => return Err(source),
                    Err(error) => {
                        refused = Err(error);
                        return Err(std::io::ErrorKind::InvalidData.into());
                    }
                    Ok(()) => {}
                }
            }
            file.flush()
        });
        refused.and(written)
    }

    fn write_tensor(&self, name: &str, dtype: DType, file: &mut BufWriter<&mut File>) -> Result<()> {
        let mut write = |bytes: &[u8]| file.write_all(bytes).map_err(Error::io(name));
        if self.store.dtype(name) == Some(dtype) {
            return write(self.store.bytes(name).unwrap_or_default());
        }
        let tensor = self.store.load(name, &Device::Cpu)?.to_dtype(dtype)?;
        let bytes = tensor.data();
        if self.store.is_finite(name) && !is_finite(&bytes, dtype) {
            return Err(Error::tensor(name, "a number too large", format!("what {} holds", dtype.as_str())));
        }
        write(&bytes)
    }
}
