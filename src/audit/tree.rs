//! The hash tree over the lines (RFC 6962, section 2.1, with SHA-256): a leaf is the digest of a
//! zero byte and the line, a node that of a one byte and its two children.

use sha2::{Digest as _, Sha256};

use crate::oci::Digest;

/// The digest of a leaf or a node.
pub(super) type Hash = [u8; 32];

/// The tree of the lines so far, in as little as its root can be had from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The full subtrees from the left, each with the number of its leaves.
    full: Vec<(u64, Hash)>,
}

/// The digest of a line as a leaf.
pub(super) fn leaf(line: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(line).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

impl Tree {
    /// Adds a line at the end.
    pub fn push(&mut self, line: &[u8]) {
        let (mut size, mut hash) = (1, leaf(line));
        while let Some((other, left)) = self.full.last().copied().filter(|(it, _)| *it == size) {
            hash = node(&left, &hash);
            size += other;
            self.full.pop();
        }
        self.full.push((size, hash));
    }

    /// The root: it stands for all lines, and their order.
    pub fn root(&self) -> Digest {
        let mut subtrees = self.full.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = subtrees.next() else { return Digest::of(b"") };
        Digest::Sha256(subtrees.fold(last, |right, left| node(&left, &right)))
    }
}

/// The root over `leaves`, of which there is at least one.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node(&root_of(left), &root_of(right))
        }
    }
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

/// What leads from the leaf at `index` to the root over `leaves`: the nearest sibling first.
pub(super) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = match index < left.len() {
        true => (path(index, left), root_of(right)),
        false => (path(index - left.len(), right), root_of(left)),
    };
    path.push(sibling);
    path
}

/// The root to which `path` leads from `leaf`, which is the one at `index` of `size`; `None` when
/// there is no such leaf, or the path is too short or too long.
pub(super) fn climb(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            // A subtree that has no sibling on its level moves up as it is.
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    (last == 0).then_some(Digest::Sha256(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_of_every_tree_leads_to_its_root() {
        let mut tree = Tree::default();
        assert_eq!(tree.root(), Digest::of(b""));
        let mut leaves = Vec::new();
        for size in 1..=70_u64 {
            let line = format!("line {size}\n");
            tree.push(line.as_bytes());
            leaves.push(leaf(line.as_bytes()));
            assert_eq!(tree.root(), Digest::Sha256(root_of(&leaves)));
            for index in 0..size {
                let at = index as usize;
                let path = path(at, &leaves);
                assert_eq!(climb(leaves[at], index, size, &path), Some(tree.root()), "{index}");
                let other = leaves[(at + 1) % leaves.len()];
                assert!(size == 1 || climb(other, index, size, &path) != Some(tree.root()));
                assert_eq!(climb(leaves[at], index, size, &[path, vec![[0; 32]]].concat()), None);
            }
        }
        assert_eq!(climb(leaves[0], 70, 70, &[]), None);
    }

    #[test]
    fn agrees_with_the_vectors_of_certificate_transparency() {
        // The inputs and the root that implementations of RFC 6962 share.
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut tree = Tree::default();
        tree.push(inputs[0]);
        assert_eq!(
            tree.root().hex(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        inputs[1..].iter().for_each(|input| tree.push(input));
        assert_eq!(
            tree.root().hex(),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }
}
