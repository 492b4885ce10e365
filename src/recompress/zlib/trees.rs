//! Code lengths as zlib and GNU gzip find them: Huffman's method on a heap. How ties are broken
//! shows in the stream: see `formats/recompress.md`. Takes only counts of our own making.

use super::super::deflate::{LITERALS, LONGEST};

/// All nodes of the largest tree.
const NODES: usize = 2 * LITERALS;

/// Sets the code length of each symbol from its count, none over `longest`. At least two symbols
/// get a code, counted or not.
pub(super) fn code_lengths(counts: &[u32], longest: usize, lengths: &mut [u8]) {
    debug_assert!(counts.len() <= LITERALS && longest <= LONGEST);
    let mut tree = Tree::plant(counts);
    tree.grow(counts.len());
    let leaves = tree.order.iter().map(|&node| usize::from(node)).filter(|&n| n < counts.len());
    let (depths, over) = tree.measure(longest);
    let mut dealt = [0; LONGEST + 1];
    lengths.fill(0);
    for leaf in leaves.clone() {
        lengths[leaf] = depths[leaf];
        dealt[usize::from(depths[leaf])] += 1;
    }
    if over > 0 {
        shorten(&mut dealt, longest, over);
        let all = dealt.iter().enumerate().rev();
        let all = all.flat_map(|(length, &many)| std::iter::repeat_n(length, many));
        leaves.zip(all).for_each(|(leaf, length)| lengths[leaf] = length as u8);
    }
}

/// A node on the heap: count above, then depth of its subtree, and below (16 bits) its number.
/// Numbers take no part in comparisons.
type Weighed = u64;

fn weigh(count: u64, depth: u64, node: usize) -> Weighed {
    (count << 24) | (depth << 16) | node as u64
}

fn node(weighed: Weighed) -> usize {
    (weighed & 0xffff) as usize
}

struct Tree {
    /// A heap in places 1 and up, the least first.
    heap: Vec<Weighed>,
    /// The nodes as they left the heap, the least first.
    order: Vec<u16>,
    /// Of each node.
    parent: [u16; NODES],
}

impl Tree {
    fn plant(counts: &[u32]) -> Tree {
        let mut heap = Vec::with_capacity(counts.len() + 2);
        heap.push(0);
        let counted = counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        heap.extend(counted.map(|(symbol, &count)| weigh(u64::from(count), 0, symbol)));
        while heap.len() < 3 {
            // The next symbol among the first three, else symbol 0.
            let last = if heap.len() == 1 { 0 } else { node(heap[heap.len() - 1]) + 1 };
            heap.push(weigh(1, 0, if last < 3 { last } else { 0 }));
        }
        let order = Vec::with_capacity(2 * heap.len());
        let mut tree = Tree { heap, order, parent: [0; NODES] };
        for place in (1..=(tree.heap.len() - 1) / 2).rev() {
            tree.sift(place);
        }
        tree
    }

    /// Joins the two least nodes until one is left. New nodes are numbered from `next` on.
    fn grow(&mut self, mut next: usize) {
        while self.heap.len() > 2 {
            let least = self.heap.swap_remove(1);
            self.sift(1);
            let second = self.heap[1];
            for joined in [least, second] {
                self.order.push(node(joined) as u16);
                self.parent[node(joined)] = next as u16;
            }
            let depth = (least >> 16 & 0xff).max(second >> 16 & 0xff) + 1;
            self.heap[1] = weigh((least >> 24) + (second >> 24), depth, next);
            self.sift(1);
            next += 1;
        }
        self.order.push(node(self.heap[1]) as u16);
    }

    /// Moves the node at `place` down to where it belongs. Of two equal children, the right one
    /// rises.
    fn sift(&mut self, mut place: usize) {
        let sinking = self.heap[place];
        let mut child = 2 * place;
        while child < self.heap.len() {
            if child + 1 < self.heap.len() && self.heap[child + 1] >> 16 <= self.heap[child] >> 16 {
                child += 1;
            }
            if sinking >> 16 <= self.heap[child] >> 16 {
                break;
            }
            self.heap[place] = self.heap[child];
            place = child;
            child = 2 * place;
        }
        self.heap[place] = sinking;
    }

    /// The depth of each node, cut to `longest`, and how many were cut.
    fn measure(&self, longest: usize) -> ([u8; NODES], usize) {
        let (mut depths, mut over) = ([0; NODES], 0);
        for &node in self.order.iter().rev().skip(1) {
            let depth = usize::from(depths[usize::from(self.parent[usize::from(node)])]) + 1;
            over += usize::from(depth > longest);
            depths[usize::from(node)] = depth.min(longest) as u8;
        }
        (depths, over)
    }
}

/// Makes room for the `over` nodes that were cut to the longest length.
fn shorten(dealt: &mut [usize; LONGEST + 1], longest: usize, mut over: usize) {
    while over > 0 {
        let Some(length) = (1..longest).rev().find(|&length| dealt[length] > 0) else { return };
        dealt[length] -= 1;
        dealt[length + 1] += 2;
        dealt[longest] = dealt[longest].saturating_sub(1);
        over = over.saturating_sub(2);
    }
}
