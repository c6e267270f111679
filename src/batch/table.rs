//! `results.parquet`: the rows as a table, for whoever reads columns. It says the same as `results.jsonl`, and is made from it.

use std::{fs::File, io, path::Path, sync::Arc};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use super::{
    folder, lines,
    row::{Row, RowLabel},
};
use crate::{
    error::{Error, Result},
    formats::write_beside,
};

/// Rows that are held at once.
const GROUP: usize = 1 << 16;

const SCHEMA: &str = "
message window {
  required int32 schema;
  required binary file (UTF8);
  required binary key (UTF8);
  required int64 window;
  required double start;
  required double duration;
  required binary task (UTF8);
  required binary model (UTF8);
  optional group labels (LIST) {
    repeated group list {
      required group element {
        required int32 index;
        required binary label (UTF8);
        optional float score;
      }
    }
  }
  optional float flow_mean;
  optional float flow_max;
  optional float flow_u;
  optional float flow_v;
  optional binary flow_file (UTF8);
  optional binary latents_file (UTF8);
  optional int64 latents_offset;
  optional binary media_file (UTF8);
}";

/// Writes the table of a folder from its rows.
///
/// # Errors
/// When the rows cannot be read, or the table cannot be written.
pub(super) fn write(folder: &Path) -> Result<()> {
    let mut failed = None;
    let written = write_beside(folder.join("results.parquet"), |file| {
        write_rows(file, &folder::results(folder)).map_err(|error| {
            let told = io::Error::other(error.to_string());
            failed = Some(error);
            told
        })
    });
    failed.map_or(written, Err)
}

fn write_rows(file: &mut File, rows: &Path) -> Result<()> {
    let refused = |error: ParquetError| Error::io("results.parquet")(io::Error::other(error.to_string()));
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(refused)?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(refused)?;
    let mut group = Vec::new();
    lines::read(rows, |row: Row, _| {
        group.push(row);
        if group.len() == GROUP {
            write_group(&mut writer, &group).map_err(refused)?;
            group.clear();
        }
        Ok(())
    })?;
    if !group.is_empty() {
        write_group(&mut writer, &group).map_err(refused)?;
    }
    writer.close().map(drop).map_err(refused)
}

type Group<'a, 'f> = SerializedRowGroupWriter<'a, &'f mut File>;

fn write_group(writer: &mut SerializedFileWriter<&mut File>, rows: &[Row]) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    column::<Int32Type>(&mut group, rows, |row| i32::try_from(row.schema).ok(), true)?;
    text(&mut group, rows, |row| Some(&row.file), true)?;
    text(&mut group, rows, |row| Some(&row.key), true)?;
    column::<Int64Type>(&mut group, rows, |row| i64::try_from(row.window).ok(), true)?;
    column::<DoubleType>(&mut group, rows, |row| Some(row.start), true)?;
    column::<DoubleType>(&mut group, rows, |row| Some(row.duration), true)?;
    text(&mut group, rows, |row| Some(&row.task), true)?;
    text(&mut group, rows, |row| Some(&row.model), true)?;
    labels::<Int32Type>(&mut group, rows, |label| i32::try_from(label.index).ok(), false)?;
    labels::<ByteArrayType>(&mut group, rows, |label| Some(ByteArray::from(label.label.as_str())), false)?;
    labels::<FloatType>(&mut group, rows, |label| label.score, true)?;
    column::<FloatType>(&mut group, rows, |row| row.flow.map(|flow| flow.mean), false)?;
    column::<FloatType>(&mut group, rows, |row| row.flow.map(|flow| flow.max), false)?;
    column::<FloatType>(&mut group, rows, |row| row.flow.map(|flow| flow.u), false)?;
    column::<FloatType>(&mut group, rows, |row| row.flow.map(|flow| flow.v), false)?;
    text(&mut group, rows, |row| row.flow_file.as_deref(), false)?;
    text(&mut group, rows, |row| row.latents_file.as_deref(), false)?;
    column::<Int64Type>(&mut group, rows, |row| i64::try_from(row.latents_offset?).ok(), false)?;
    text(&mut group, rows, |row| row.media_file.as_deref(), false)?;
    group.close().map(drop)
}

fn text(
    group: &mut Group<'_, '_>,
    rows: &[Row],
    value: impl for<'r> Fn(&'r Row) -> Option<&'r str>,
    required: bool,
) -> Result<(), ParquetError> {
    column::<ByteArrayType>(group, rows, |row| value(row).map(ByteArray::from), required)
}

/// A value for each row; one that may be missing has a level that says whether it is there.
fn column<T: DataType>(
    group: &mut Group<'_, '_>,
    rows: &[Row],
    value: impl Fn(&Row) -> Option<T::T>,
    required: bool,
) -> Result<(), ParquetError> {
    let there: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = there.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = there.into_iter().flatten().collect();
    write_column::<T>(group, &values, (!required).then_some(&levels), None)
}

/// A value for each label of each row. Levels, as the format has them: 0 where a row has no list, 1 where that is empty, 2 for a label, 3
/// for a value of it that may be missing; and 1 where a label follows another of its row.
fn labels<T: DataType>(
    group: &mut Group<'_, '_>,
    rows: &[Row],
    value: impl Fn(&RowLabel) -> Option<T::T>,
    optional: bool,
) -> Result<(), ParquetError> {
    let (mut values, mut levels, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let labels = row.labels.as_deref();
        if labels.is_none_or(<[RowLabel]>::is_empty) {
            levels.push(i16::from(labels.is_some()));
            repeats.push(0);
        }
        for (at, label) in labels.unwrap_or_default().iter().enumerate() {
            let value = value(label);
            levels.push(2 + i16::from(optional && value.is_some()));
            repeats.push(i16::from(at > 0));
            values.extend(value);
        }
    }
    write_column::<T>(group, &values, Some(&levels), Some(&repeats))
}

fn write_column<T: DataType>(
    group: &mut Group<'_, '_>,
    values: &[T::T],
    levels: Option<&Vec<i16>>,
    repeats: Option<&Vec<i16>>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<T>().write_batch(values, levels.map(Vec::as_slice), repeats.map(Vec::as_slice))?;
    column.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            r#"{"schema":1,"file":"a","key":"k","window":0,"start":0.5,"duration":0.25,"task":"classify","model":"m","labels":[{"index":3,"label":"x","score":0.75},{"index":1,"label":"y","score":null}]}"#,
            r#"{"schema":1,"file":"b","key":"k","window":1,"start":0.0,"duration":0.25,"task":"classify","model":"m","labels":[]}"#,
            r#"{"schema":1,"file":"c","key":"k","window":2,"start":0.0,"duration":0.25,"task":"flow","model":"m","flow":{"mean":1.5,"max":2.0,"u":-1.0,"v":0.0},"flow_file":"f"}"#,
        ];
        std::fs::write(folder::results(folder.path()), rows.join("\n") + "\n").unwrap();
        write(folder.path()).unwrap();
        let reader = SerializedFileReader::new(File::open(folder.path().join("results.parquet")).unwrap()).unwrap();
        let read: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
        let says = |row: usize, parts: &[&str]| {
            assert!(parts.iter().all(|part| read[row].contains(part)), "{}", read[row]);
        };
        assert_eq!(read.len(), 3);
        says(0, &["{index: 3, label: \"x\", score: 0.75}, {index: 1, label: \"y\", score: null}", "start: 0.5", "flow_u: null"]);
        says(1, &["labels: []", "file: \"b\"", "latents_offset: null"]);
        says(2, &["labels: null", "window: 2", "flow_mean: 1.5", "flow_u: -1E0", "flow_file: \"f\""]);
    }
}
