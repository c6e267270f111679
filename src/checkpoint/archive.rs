//! The zip archive that `torch.save` writes: every entry stored as it is, so that a tensor is a range of the file.

use std::{collections::BTreeMap, ops::Range};

/// Where each entry of the archive is, by name.
pub(super) type Entries = BTreeMap<String, Range<usize>>;

/// Fixed sizes and signatures of the format (PKWARE's APPNOTE, section 4.3), and what a 32-bit field says where the number is longer.
const END: usize = 22;
const END_SIGNATURE: u32 = 0x0605_4B50;
const LOCATOR: usize = 20;
const LOCATOR_SIGNATURE: u32 = 0x0706_4B50;
const LONG_END_SIGNATURE: u32 = 0x0606_4B50;
const ENTRY: usize = 46;
const ENTRY_SIGNATURE: u32 = 0x0201_4B50;
const LOCAL: usize = 30;
const LOCAL_SIGNATURE: u32 = 0x0403_4B50;
const LONGER: u64 = u32::MAX as u64;
/// The extra field with the longer numbers.
const LONG_FIELDS: u64 = 1;

/// Reads the list of entries. `Err` says what is wrong.
pub(super) fn entries(file: &[u8]) -> Result<Entries, String> {
    let broken = || "no intact zip archive".to_owned();
    let (count, start) = directory(file).ok_or_else(broken)?;
    let (mut entries, mut at) = (Entries::new(), start);
    for _ in 0..count {
        let entry = Entry::read(file, at).ok_or_else(broken)?;
        if !entry.is_stored {
            return Err(format!(
                "entry {} is compressed or encrypted; accepted are stored entries, as torch.save writes",
                entry.name
            ));
        }
        at = entry.end;
        if entries.insert(entry.name.clone(), entry.range).is_some() {
            return Err(format!("entry {} is there twice", entry.name));
        }
    }
    Ok(entries)
}

/// A little-endian number of `N` bytes.
fn number<const N: usize>(file: &[u8], at: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(N)?)?;
    Some(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

fn is_at(file: &[u8], at: usize, signature: u32) -> Option<()> {
    (number::<4>(file, at)? == u64::from(signature)).then_some(())
}

/// How many entries there are, and where the first is. `torch.save` writes no comment behind the end.
fn directory(file: &[u8]) -> Option<(u64, usize)> {
    let end = file.len().checked_sub(END)?;
    is_at(file, end, END_SIGNATURE)?;
    let short = || Some((number::<2>(file, end + 10)?, number::<4>(file, end + 16)?));
    let long = || {
        let locator = end.checked_sub(LOCATOR)?;
        is_at(file, locator, LOCATOR_SIGNATURE)?;
        let end = usize::try_from(number::<8>(file, locator + 8)?).ok()?;
        is_at(file, end, LONG_END_SIGNATURE)?;
        Some((number::<8>(file, end.checked_add(32)?)?, number::<8>(file, end.checked_add(48)?)?))
    };
    let (count, start) = long().or_else(short)?;
    Some((count, usize::try_from(start).ok()?))
}

struct Entry {
    name: String,
    is_stored: bool,
    range: Range<usize>,
    /// Where the next entry of the directory begins.
    end: usize,
}

impl Entry {
    fn read(file: &[u8], at: usize) -> Option<Self> {
        is_at(file, at, ENTRY_SIGNATURE)?;
        let size = |at: usize| Some(number::<2>(file, at)? as usize);
        let (flags, method) = (number::<2>(file, at + 8)?, number::<2>(file, at + 10)?);
        let (name_size, extra_size, comment_size) = (size(at + 28)?, size(at + 30)?, size(at + 32)?);
        let name = file.get(at + ENTRY..at + ENTRY + name_size)?;
        let extra = file.get(at + ENTRY + name_size..at + ENTRY + name_size + extra_size)?;
        // Behind each other in this order, those that did not fit.
        let mut longer = long_fields(extra);
        let mut field = |offset: usize| match number::<4>(file, at + offset)? {
            LONGER => longer.next(),
            short => Some(short),
        };
        let (full, stored, local) = (field(24)?, field(20)?, usize::try_from(field(42)?).ok()?);
        is_at(file, local, LOCAL_SIGNATURE)?;
        let start = local + LOCAL + size(local + 26)? + size(local + 28)?;
        let end = start.checked_add(usize::try_from(stored).ok()?)?;
        file.get(start..end)?;
        Some(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            is_stored: method == 0 && flags & 1 == 0 && full == stored,
            range: start..end,
            end: at + ENTRY + name_size + extra_size + comment_size,
        })
    }
}

/// The numbers of the extra field for long ones.
fn long_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> + use<'_> {
    let mut found: &[u8] = &[];
    while let (Some(kind), Some(size)) = (number::<2>(extra, 0), number::<2>(extra, 2)) {
        let Some(content) = extra.get(4..4 + size as usize) else { break };
        if kind == LONG_FIELDS {
            found = content;
            break;
        }
        extra = &extra[4 + size as usize..];
    }
    found.chunks_exact(8).filter_map(|chunk| number::<8>(chunk, 0))
}
