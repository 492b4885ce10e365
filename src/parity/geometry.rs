//! How blocks stand in groups. Pure.
//!
//! The protected files stand one behind the other, each from the start of a block on, and are cut into
//! blocks. Block `n` is in group `n mod groups`: neighbours are in different groups, so that a run of
//! bad sectors takes little from each. All groups are of one shape: `data` blocks and `parity` blocks,
//! any `data` of which make the others. Normative text: `formats/parity.md`.

use super::ParityError;

/// The smallest block, in bytes: a sector of most disks.
pub const MIN_BLOCK: u64 = 4096;
/// The largest block, in bytes.
pub const MAX_BLOCK: u64 = 4 << 20;
/// The most blocks of data, and the most of parity.
pub const MAX_BLOCKS: u64 = 1 << 21;
/// The most blocks of a group, where parity is counted up to a power of two: the order of the field.
const MAX_GROUP: u64 = 1 << 16;
/// How many blocks the data is cut into, about.
const BLOCKS: u64 = 1 << 17;
/// How many blocks a group has at most when a share is asked for: more stand damage at random better,
/// fewer are read in longer runs.
const GROUP: u64 = 512;

/// How much parity there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes for each hundred.
    Percent(u8),
    /// As much as any so many volumes hold, parity's own among them.
    Volumes(u16),
}

/// The shape of the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a block: a power of two.
    pub block: u64,
    /// How many groups there are.
    pub groups: u64,
    /// Blocks of data in each group; past the end of the data they are zeros.
    pub data: u64,
    /// Blocks of parity in each group.
    pub parity: u64,
}

impl Geometry {
    /// The groups for files of these sizes, of which those in `volumes` are volumes.
    ///
    /// # Errors
    /// [`ParityError::TooLarge`], [`ParityError::Amount`].
    pub fn plan(sizes: &[u64], volumes: &[u64], amount: Amount) -> Result<Geometry, ParityError> {
        let total = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size));
        let block = block_size(total.ok_or(ParityError::TooLarge)?);
        let blocks = blocks(sizes, block).filter(|blocks| (1..=MAX_BLOCKS).contains(blocks));
        let blocks = blocks.ok_or(ParityError::TooLarge)?;
        let geometry = match amount {
            Amount::Percent(percent @ 1..=100) => by_share(block, blocks, percent.into()),
            Amount::Volumes(count @ 1..) if !volumes.is_empty() => {
                let largest = volumes.iter().map(|size| size.div_ceil(block)).max().unwrap_or(1);
                by_volumes(block, blocks, largest.max(1), volumes.len() as u64, count.into())
            }
            _ => return Err(ParityError::Amount),
        };
        Some(geometry).filter(Geometry::is_possible).ok_or(ParityError::TooLarge)
    }

    /// True for a shape that can be, whoever says so.
    pub fn is_possible(&self) -> bool {
        let Geometry { block, groups, data, parity } = *self;
        let within = |value: u64, most: u64| (1..=most).contains(&value);
        block.is_power_of_two()
            && (MIN_BLOCK..=MAX_BLOCK).contains(&block)
            && within(groups, MAX_BLOCKS)
            && within(data, MAX_GROUP)
            && within(parity, MAX_GROUP)
            && data + parity.next_power_of_two() <= MAX_GROUP
            && parity * groups <= MAX_BLOCKS
    }

    /// Bytes of one block of each group: what stands between two blocks of a group, and a row of parity.
    pub fn row(&self) -> u64 {
        self.groups * self.block
    }

    /// How many groups lose `blocks` neighbours at most, each.
    pub fn share(&self, blocks: u64) -> u64 {
        blocks.div_ceil(self.groups)
    }
}

/// How many blocks files of these sizes have.
pub fn blocks(sizes: &[u64], block: u64) -> Option<u64> {
    sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(size.div_ceil(block)))
}

fn block_size(total: u64) -> u64 {
    total.div_ceil(BLOCKS).clamp(MIN_BLOCK, MAX_BLOCK).next_power_of_two()
}

fn by_share(block: u64, blocks: u64, percent: u64) -> Geometry {
    let parity = |data: u64| (data * percent).div_ceil(100).max(1);
    let fits = |data: &u64| data + parity(*data).next_power_of_two() <= GROUP;
    let most = (1..GROUP).rev().find(fits).unwrap_or(1);
    let groups = blocks.div_ceil(most);
    let data = blocks.div_ceil(groups);
    Geometry { block, groups, data, parity: parity(data) }
}

/// A volume takes at most `share` blocks from each group, and so does a file of parity.
fn by_volumes(block: u64, blocks: u64, largest: u64, volumes: u64, count: u64) -> Geometry {
    let share = (GROUP / (volumes + count)).clamp(1, largest);
    let groups = largest.div_ceil(share);
    let share = largest.div_ceil(groups);
    Geometry { block, groups, data: blocks.div_ceil(groups), parity: count * share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_with_the_bundle() {
        let plan = |size| Geometry::plan(&[size], &[], Amount::Percent(10)).unwrap();
        for (size, block) in [(1, 4096), (512 << 20, 4096), (1 << 30, 8192), (1 << 40, 4 << 20)] {
            assert_eq!(plan(size).block, block, "{size}");
        }
        let small = plan(100_000);
        assert_eq!((small.groups, small.data, small.parity), (1, 25, 3));
        let large = plan(1 << 30);
        assert!(large.data + large.parity.next_power_of_two() <= GROUP);
        assert_eq!(large.parity, (large.data * 10).div_ceil(100));
        assert!(large.groups * large.data * large.block >= 1 << 30);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let plan = |sizes: &[u64], volumes: &[u64], amount| Geometry::plan(sizes, volumes, amount);
        assert!(matches!(plan(&[1], &[], Amount::Percent(0)), Err(ParityError::Amount)));
        assert!(matches!(plan(&[1], &[], Amount::Percent(101)), Err(ParityError::Amount)));
        assert!(matches!(plan(&[1], &[], Amount::Volumes(1)), Err(ParityError::Amount)));
        assert!(matches!(plan(&[1], &[1], Amount::Volumes(0)), Err(ParityError::Amount)));
        for sizes in [vec![], vec![u64::MAX, 1], vec![u64::MAX], vec![MAX_BLOCKS * MAX_BLOCK + 1]] {
            let refused = plan(&sizes, &[], Amount::Percent(1));
            assert!(matches!(refused, Err(ParityError::TooLarge)), "{sizes:?}");
        }
    }

    #[test]
    fn any_volumes_may_be_lost() {
        for (volumes, count) in [(1u64, 1u16), (3, 1), (3, 2), (40, 5), (600, 3)] {
            let sizes = vec![1_000_000; volumes as usize];
            let geometry = Geometry::plan(&sizes, &sizes, Amount::Volumes(count)).unwrap();
            let lost = geometry.share(1_000_000u64.div_ceil(geometry.block));
            assert_eq!(geometry.parity, lost * u64::from(count), "{volumes} {count}");
        }
    }
}
