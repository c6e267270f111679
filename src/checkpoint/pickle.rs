//! `pytorch_model.bin`: a `state_dict` as `torch.save` has written it since torch 1.6, read without executing anything.
//!
//! A pickle is a program for a stack machine, and Python's lets it call whatever it names. Here only what a `state_dict` is made of has a
//! meaning: any other instruction, and any other name, ends the reading. Values are kept once and meant by number, so that a program that
//! repeats itself takes no more memory than its own length.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::DType;

use super::{
    archive::{self, Entries},
    store::View,
};
use crate::error::{Error, Result};

/// The tensors of a `pytorch_model.bin`.
pub(super) fn tensors(path: &Path, file: &[u8]) -> Result<BTreeMap<String, View>> {
    read(file).map_err(|reason| {
        Error::format(
            path,
            format!("{reason}; accepted is a state_dict as torch.save writes it since torch 1.6, or model.safetensors"),
        )
    })
}

type Read<T> = std::result::Result<T, String>;

fn read(file: &[u8]) -> Read<BTreeMap<String, View>> {
    const PROGRAM: &str = "/data.pkl";
    let entries = archive::entries(file)?;
    let mut programs = entries.iter().filter_map(|(name, range)| Some((name.strip_suffix(PROGRAM)?, range.clone())));
    let (Some((folder, range)), None) = (programs.next(), programs.next()) else {
        return Err("not one data.pkl in the archive".into());
    };
    if entries.get(&format!("{folder}/byteorder")).is_some_and(|range| &file[range.clone()] != b"little") {
        return Err("the numbers are not little-endian".into());
    }
    let (stack, marks, memo) = (Vec::new(), Vec::new(), HashMap::new());
    Machine { rest: &file[range], folder, entries: &entries, values: Vec::new(), stack, marks, memo }.run()
}

/// Axes of a tensor: far above any model's, and few enough that a shape told once cannot fill memory by being used again and again.
const LARGEST_RANK: usize = 16;

/// A number of a value.
type Id = usize;

#[derive(Debug)]
enum Value<'a> {
    /// Something that means nothing here.
    Other,
    Integer(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    Dictionary(Vec<(Id, Id)>),
    Name(Name),
    Storage(DType, &'a str),
    Tensor(View),
}

/// The names that have a meaning.
#[derive(Clone, Copy, Debug)]
enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(DType),
}

impl Name {
    fn parse(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(DType::F32),
            ("torch", "DoubleStorage") => Self::Storage(DType::F64),
            ("torch", "HalfStorage") => Self::Storage(DType::F16),
            ("torch", "BFloat16Storage") => Self::Storage(DType::BF16),
            ("torch", "LongStorage") => Self::Storage(DType::I64),
            ("torch", "IntStorage") => Self::Storage(DType::I32),
            ("torch", "ByteStorage") => Self::Storage(DType::U8),
            _ => return None,
        })
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    /// The archive's folder, which every entry is in.
    folder: &'a str,
    entries: &'a Entries,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Read<BTreeMap<String, View>> {
        loop {
            let [instruction] = *self.bytes()?;
            match instruction {
                // PROTO
                0x80 => drop(self.bytes::<1>()?),
                // NONE, NEWTRUE, NEWFALSE
                b'N' | 0x88 | 0x89 => self.push(Value::Other),
                // BININT1, BININT2, BININT, LONG1
                b'K' => self.integer::<1>()?,
                b'M' => self.integer::<2>()?,
                b'J' => {
                    let value = i32::from_le_bytes(*self.bytes()?);
                    self.push(Value::Integer(value.into()));
                }
                0x8A => self.long()?,
                // BINUNICODE
                b'X' => {
                    let size = u32::from_le_bytes(*self.bytes()?);
                    let text = self.take(size as usize)?;
                    let text = std::str::from_utf8(text).map_err(|_| "a text in data.pkl is no UTF-8")?;
                    self.push(Value::Text(text));
                }
                // GLOBAL
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let known =
                        Name::parse(module, name).ok_or_else(|| format!("data.pkl names {module}.{name}, which is refused"))?;
                    self.push(Value::Name(known));
                }
                // MARK, TUPLE, EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3
                b'(' => self.marks.push(self.stack.len()),
                b't' => {
                    let items = self.pops_to_mark()?;
                    self.push(Value::Tuple(items));
                }
                b')' => self.push(Value::Tuple(Vec::new())),
                0x85..=0x87 => {
                    let items = self.pops(usize::from(instruction) - 0x84)?;
                    self.push(Value::Tuple(items));
                }
                // EMPTY_DICT, SETITEM, SETITEMS
                b'}' => self.push(Value::Dictionary(Vec::new())),
                b's' => {
                    let items = self.pops(2)?;
                    self.set_items(&items)?;
                }
                b'u' => {
                    let items = self.pops_to_mark()?;
                    self.set_items(&items)?;
                }
                // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
                b'q' => {
                    let [number] = *self.bytes()?;
                    self.put(number.into())?;
                }
                b'r' => {
                    let number = u32::from_le_bytes(*self.bytes()?);
                    self.put(number)?;
                }
                b'h' => {
                    let [number] = *self.bytes()?;
                    self.get(number.into())?;
                }
                b'j' => {
                    let number = u32::from_le_bytes(*self.bytes()?);
                    self.get(number)?;
                }
                // BINPERSID, REDUCE
                b'Q' => {
                    let storage = self.storage()?;
                    self.push(storage);
                }
                b'R' => self.reduce()?,
                // BUILD, with the attributes of the dictionary below
                b'b' => drop(self.pops(1)?),
                // STOP
                b'.' => return self.state_dict(),
                other => return Err(format!("data.pkl has instruction {other:#04x}, which is refused")),
            }
        }
    }

    fn take(&mut self, size: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or("data.pkl ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Read<&'a [u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("data.pkl ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Read<&'a str> {
        let size = self.rest.iter().position(|&byte| byte == b'\n').ok_or("data.pkl ends too early")?;
        let line = self.take(size)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "a name in data.pkl is no UTF-8".into())
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// The upper values of the stack, the highest last.
    fn pops(&mut self, count: usize) -> Read<Vec<Id>> {
        let floor = self.marks.last().copied().unwrap_or_default();
        let at = self.stack.len().checked_sub(count).filter(|&at| at >= floor).ok_or("data.pkl takes more than there is")?;
        Ok(self.stack.split_off(at))
    }

    fn pops_to_mark(&mut self) -> Read<Vec<Id>> {
        let mark = self.marks.pop().ok_or("data.pkl has no mark where it needs one")?;
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, number: u32) -> Read<()> {
        let top = *self.stack.last().ok_or("data.pkl takes more than there is")?;
        self.memo.insert(number, top);
        Ok(())
    }

    fn get(&mut self, number: u32) -> Read<()> {
        let id = *self.memo.get(&number).ok_or("data.pkl recalls what it did not note")?;
        self.stack.push(id);
        Ok(())
    }

    /// An integer of up to 2 bytes without a sign.
    fn integer<const N: usize>(&mut self) -> Read<()> {
        let value = self.bytes::<N>()?.iter().rev().fold(0, |value, &byte| value << 8 | i64::from(byte));
        self.push(Value::Integer(value));
        Ok(())
    }

    /// An integer of any number of bytes with a sign, of which up to 8 have a meaning here.
    fn long(&mut self) -> Read<()> {
        let [size] = *self.bytes()?;
        let bytes = self.take(size.into())?;
        if bytes.len() > 8 {
            return Err("data.pkl has an integer beyond 64 bits".into());
        }
        let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { -1 } else { 0 };
        self.push(Value::Integer(bytes.iter().rev().fold(sign, |value, &byte| value << 8 | i64::from(byte))));
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Read<()> {
        let top = *self.stack.last().ok_or("data.pkl takes more than there is")?;
        let Value::Dictionary(entries) = &mut self.values[top] else {
            return Err("data.pkl sets items of what is no dictionary".into());
        };
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err("data.pkl has a key without a value".into());
        }
        entries.extend(pairs.map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn popped_tuple(&mut self) -> Read<Vec<Id>> {
        let [top] = self.pops(1)?[..] else { return Err("data.pkl takes more than there is".into()) };
        match &self.values[top] {
            Value::Tuple(items) => Ok(items.clone()),
            _ => Err("data.pkl has something else where it needs a tuple".into()),
        }
    }

    /// ("storage", type, entry, device, elements).
    fn storage(&mut self) -> Read<Value<'a>> {
        let tuple = self.popped_tuple()?;
        match tuple[..] {
            [kind, name, entry, _, _] => match (&self.values[kind], &self.values[name], &self.values[entry]) {
                (Value::Text("storage"), Value::Name(Name::Storage(dtype)), Value::Text(entry)) => {
                    Ok(Value::Storage(*dtype, entry))
                }
                _ => Err("data.pkl refers to something outside that is no storage".into()),
            },
            _ => Err("data.pkl refers to something outside that is no storage".into()),
        }
    }

    /// Does what the known names stand for.
    fn reduce(&mut self) -> Read<()> {
        let arguments = self.popped_tuple()?;
        let [name] = self.pops(1)?[..] else { return Err("data.pkl takes more than there is".into()) };
        match (&self.values[name], &arguments[..]) {
            (Value::Name(Name::OrderedDict), []) => self.push(Value::Dictionary(Vec::new())),
            (Value::Name(Name::RebuildTensor), &[storage, offset, shape, strides, _, _, ..]) => {
                let tensor = self.tensor(storage, offset, shape, strides)?;
                self.push(Value::Tensor(tensor));
            }
            (Value::Name(Name::RebuildParameter), &[tensor, _, _]) => self.stack.push(tensor),
            _ => return Err("data.pkl calls something with arguments that do not fit, which is refused".into()),
        }
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Read<View> {
        let Value::Storage(dtype, entry) = self.values[storage] else {
            return Err("data.pkl makes a tensor of what is no storage".into());
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        let name = format!("{}/data/{entry}", self.folder);
        let outside = || format!("a tensor of shape {shape:?} does not fit into entry {name}");
        let range = self.entries.get(&name).ok_or_else(outside)?;
        let elements = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size)).ok_or_else(outside)?;
        if shape.len() != strides.len() {
            return Err(format!("a tensor of shape {shape:?} has strides {strides:?}; accepted is one for each axis"));
        }
        let mut expected = 1;
        for (&size, &stride) in shape.iter().zip(&strides).rev() {
            if size != 1 && stride != expected && elements > 0 {
                return Err(format!("a tensor of shape {shape:?} has strides {strides:?}; accepted are tensors row by row"));
            }
            expected = size.saturating_mul(expected);
        }
        let width = dtype.size_in_bytes();
        let bytes = |count: usize| count.checked_mul(width).ok_or_else(outside);
        let start = range.start.checked_add(bytes(self.size(offset)?)?).ok_or_else(outside)?;
        let end = start.checked_add(bytes(elements)?).filter(|&end| end <= range.end).ok_or_else(outside)?;
        Ok(View { dtype, shape, range: start..end })
    }

    fn size(&self, id: Id) -> Read<usize> {
        match self.values[id] {
            Value::Integer(size) => usize::try_from(size).map_err(|_| format!("data.pkl has {size} where it needs a size")),
            _ => Err("data.pkl has something else where it needs a size".into()),
        }
    }

    fn sizes(&self, id: Id) -> Read<Vec<usize>> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() <= LARGEST_RANK => items.iter().map(|&item| self.size(item)).collect(),
            Value::Tuple(items) => {
                Err(format!("data.pkl has a shape of {} axes; accepted are up to {LARGEST_RANK}", items.len()))
            }
            _ => Err("data.pkl has something else where it needs a shape".into()),
        }
    }

    fn state_dict(&mut self) -> Read<BTreeMap<String, View>> {
        let [top] = self.pops(1)?[..] else { return Err("data.pkl is empty".into()) };
        let Value::Dictionary(entries) = &self.values[top] else { return Err("data.pkl is no dictionary".into()) };
        let entry = |&(name, tensor): &(Id, Id)| match (&self.values[name], &self.values[tensor]) {
            (Value::Text(name), Value::Tensor(view)) => Ok(((*name).to_owned(), view.clone())),
            (Value::Text(name), _) => Err(format!("{name} is no tensor")),
            _ => Err("data.pkl has a key that is no text".into()),
        };
        entries.iter().map(entry).collect()
    }
}
