//! Several media that together hold one bundle: how much goes to each, and what their labels say.

use std::path::PathBuf;

use crate::bundle::volumes::number_list;

/// What every label begins with.
pub(super) const TITLE: &str = "gapferry bundle: ";

/// A directory on a medium, and how many bytes of volumes may go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The directory.
    pub root: PathBuf,
    /// The most bytes of volumes.
    pub bytes: u64,
}

/// The media that a bundle is spread over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// They are filled in this order.
    pub rooms: Vec<Room>,
    /// What the labels say that it is: a line of text.
    pub title: String,
}

impl Spread {
    /// One place with room for everything.
    pub(super) fn single(root: PathBuf) -> Spread {
        Spread { rooms: vec![Room { root, bytes: u64::MAX }], title: String::new() }
    }

    /// What the label of medium `at` begins with, finished or not.
    pub(super) fn begins(&self, at: usize) -> String {
        format!("{TITLE}{}\nmedium {} of {}: ", self.title, at + 1, self.rooms.len())
    }

    /// The label of a medium that is being written.
    pub(super) fn unfinished(&self, at: usize) -> String {
        format!("{}not finished\n", self.begins(at))
    }

    /// The label of medium `at` with these volumes, of `count`.
    pub(super) fn label(&self, at: usize, volumes: &[u32], count: usize) -> String {
        let what = match volumes.len() {
            0 => "no volume".to_owned(),
            1 => format!("volume {} of {count}", number_list(volumes)),
            _ => format!("volumes {} of {count}", number_list(volumes)),
        };
        format!("{}{what}\nThe bundle is whole when all {count} are there.\n", self.begins(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_for_people() {
        let rooms = ["a", "b", "c"].map(|root| Room { root: root.into(), bytes: 1 }).to_vec();
        let spread = Spread { rooms, title: "stream prod, sequence 7".to_owned() };
        assert_eq!(
            spread.label(1, &[3, 4, 5], 6),
            "gapferry bundle: stream prod, sequence 7\nmedium 2 of 3: volumes 3 to 5 of 6\n\
             The bundle is whole when all 6 are there.\n"
        );
        assert!(spread.label(2, &[], 6).contains("\nmedium 3 of 3: no volume\n"));
        assert!(spread.label(0, &[1], 1).contains("\nmedium 1 of 3: volume 1 of 1\n"));
        assert!(spread.unfinished(1).starts_with(&spread.begins(1)));
    }
}
