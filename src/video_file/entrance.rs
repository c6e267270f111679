//! The way to a place within a file: what lies before the key frame to begin at is not decoded, only told.
//!
//! Pure: marks in, steps out; a packet is whatever the caller has.

use std::collections::VecDeque;

/// A codec holds back at most so many pictures, so no more than these are shown before a key frame that they follow in the file.
const LEADING: u64 = 32;
/// Packets that are kept while it is not known whether they are needed. A file with fewer key frames is decoded from there on.
const MOST: usize = 4096;

/// What a packet of pictures tells without being decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// When its picture is shown, if it says so.
    pub(super) pts: Option<i64>,
    pub(super) duration: i64,
    pub(super) is_key: bool,
    /// Whether its picture is shown at all.
    pub(super) is_shown: bool,
}

/// What is not to be missed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// Whatever is shown at or after this tick.
    Tick(i64),
    /// The picture with this number, from 0.
    Number(u64),
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<P> {
    /// A picture is passed over.
    Skip {
        pts: i64,
        duration: i64,
    },
    Decode(P),
}

/// Decides what is passed over. Packets of other streams keep their place and are all decoded.
#[derive(Debug)]
pub(super) struct Entrance<P> {
    target: Target,
    /// Packets from the newest key frame on at which decoding may begin.
    group: Vec<(P, Option<Mark>)>,
    skipped: u64,
    steps: VecDeque<Step<P>>,
    open: bool,
    /// When the key frame is shown that decoding begins at; none where that is the beginning of the file.
    begins_at: Option<i64>,
}

impl<P> Entrance<P> {
    pub(super) fn new(target: Target) -> Self {
        Self { target, group: Vec::new(), skipped: 0, steps: VecDeque::new(), open: false, begins_at: None }
    }

    /// Whether decoding has begun: from then on packets need not come here any more.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// When the key frame is shown that decoding begins at, once that is known; none where it begins with the file.
    pub(super) fn begins_at(&self) -> Option<i64> {
        self.begins_at
    }

    /// The next step that is decided.
    pub(super) fn step(&mut self) -> Option<Step<P>> {
        self.steps.pop_front()
    }

    /// Takes the next packet of the file, with a mark if it is one of pictures.
    pub(super) fn push(&mut self, packet: P, mark: Option<Mark>) {
        let first = first_mark(&self.group).is_none();
        let enters = mark.is_some_and(|mark| mark.is_key && mark.is_shown && (first || self.may_begin_at(&mark)));
        if enters && !first {
            self.pass_group();
        }
        self.group.push((packet, mark));
        // A key frame that is too late, a file that begins in the middle, a picture that does not tell its time.
        let ends = mark.is_some_and(|mark| mark.pts.is_none() || (mark.is_key || first) && !enters);
        if ends || self.group.len() > MOST {
            self.open();
        }
    }

    /// Begins to decode, with what is kept.
    pub(super) fn open(&mut self) {
        self.open = true;
        let key = first_mark(&self.group).and_then(|mark| mark.pts);
        self.begins_at = key.filter(|_| self.skipped > 0);
        let before = |mark: Mark| mark.pts.is_some_and(|pts| self.begins_at.is_some_and(|begin| pts < begin));
        let (leading, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.group).into_iter().partition(|(_, mark)| mark.is_some_and(before));
        self.pass(leading);
        self.steps.extend(rest.into_iter().map(|(packet, _)| Step::Decode(packet)));
    }

    /// Whether nothing is missed that is wanted when decoding begins at a key frame.
    fn may_begin_at(&self, key: &Mark) -> bool {
        let shown = || self.group.iter().filter(|(_, mark)| mark.is_some_and(|mark| mark.is_shown)).count() as u64;
        match self.target {
            Target::Tick(tick) => key.pts.is_some_and(|pts| pts <= tick),
            Target::Number(number) => self.skipped + shown() + LEADING <= number,
        }
    }

    fn pass_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.pass(group);
    }

    /// Passes over the pictures of some packets: they come in the order in which they are shown, at the places of their packets.
    fn pass(&mut self, packets: Vec<(P, Option<Mark>)>) {
        let shown = |mark: Mark| mark.pts.filter(|_| mark.is_shown).map(|pts| (pts, mark.duration));
        let mut pictures: Vec<(i64, i64)> = packets.iter().filter_map(|(_, mark)| mark.and_then(shown)).collect();
        pictures.sort_unstable();
        self.skipped += pictures.len() as u64;
        let mut pictures = pictures.into_iter();
        for (packet, mark) in packets {
            match mark {
                None => self.steps.push_back(Step::Decode(packet)),
                Some(mark) if mark.is_shown => {
                    self.steps.extend(pictures.next().map(|(pts, duration)| Step::Skip { pts, duration }));
                }
                Some(_) => {}
            }
        }
    }
}

fn first_mark<P>(packets: &[(P, Option<Mark>)]) -> Option<Mark> {
    packets.iter().find_map(|(_, mark)| *mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of a file: letters are packets of pictures with their times, capitals key frames; `~` is sound.
    fn steps(target: Target, file: &[(&'static str, i64)]) -> (String, Option<i64>) {
        let mut entrance = Entrance::new(target);
        let mut told = String::new();
        let tell = |entrance: &mut Entrance<&str>, told: &mut String| {
            while let Some(step) = entrance.step() {
                *told += &match step {
                    Step::Skip { pts, .. } => format!("{pts} "),
                    Step::Decode(packet) => format!("{packet} "),
                };
            }
        };
        for &(packet, pts) in file {
            if entrance.is_open() {
                told += &format!("{packet} ");
                continue;
            }
            let is_key = packet.starts_with(char::is_uppercase);
            let mark = Mark { pts: (pts >= 0).then_some(pts), duration: 1, is_key, is_shown: !packet.ends_with('-') };
            entrance.push(packet, (packet != "~").then_some(mark));
            tell(&mut entrance, &mut told);
        }
        if !entrance.is_open() {
            entrance.open();
            tell(&mut entrance, &mut told);
        }
        (told.trim_end().to_owned(), entrance.begins_at())
    }

    #[test]
    fn decoding_begins_at_the_last_key_frame_that_is_early_enough() {
        let file = [("A", 0), ("~", 0), ("b", 2), ("c", 1), ("D", 3), ("e", 4), ("~", 0), ("F", 5), ("g", 6)];
        assert_eq!(steps(Target::Tick(4), &file), ("0 ~ 1 2 D e ~ F g".into(), Some(3)));
        assert_eq!(steps(Target::Tick(5), &file), ("0 ~ 1 2 3 4 ~ F g".into(), Some(5)));
        assert_eq!(steps(Target::Tick(99), &file), ("0 ~ 1 2 3 4 ~ F g".into(), Some(5)));
        assert_eq!(steps(Target::Tick(2), &file), ("A ~ b c D e ~ F g".into(), None));
    }

    #[test]
    fn pictures_that_lead_a_key_frame_are_passed_over_before_it() {
        let file = [("A", 0), ("b", 1), ("D", 4), ("c", 3), ("b", 2), ("e", 5)];
        assert_eq!(steps(Target::Tick(4), &file), ("0 1 2 3 D e".into(), Some(4)));
        assert_eq!(steps(Target::Tick(3), &file), ("A b D c b e".into(), None));
    }

    #[test]
    fn numbers_count_pictures_that_are_shown() {
        let mut file = vec![("A", 0), ("b-", 1)];
        file.extend((2..34).map(|pts| ("c", pts)));
        file.extend([("D", 34), ("e", 35)]);
        let begins = |number| steps(Target::Number(number), &file).1;
        assert_eq!((begins(33 + 32), begins(33 + 31)), (Some(34), None));
        assert_eq!(steps(Target::Number(65), &file).0.split(' ').count(), 33 + 2);
    }

    #[test]
    fn what_does_not_tell_its_time_or_begins_in_the_middle_is_decoded() {
        assert_eq!(steps(Target::Tick(9), &[("A", 0), ("b", -1), ("C", 5)]), ("A b C".into(), None));
        assert_eq!(steps(Target::Tick(9), &[("a", 0), ("B", 1), ("C", 5)]), ("a B C".into(), None));
        let long: Vec<(&str, i64)> = std::iter::once(("A", 0)).chain((1..5000).map(|pts| ("b", pts))).collect();
        assert_eq!(steps(Target::Tick(9999), &long).1, None);
    }
}
