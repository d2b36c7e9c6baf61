//! Entries under keys that are never used twice, found without hashing.

/// Places per block. A block is allocated at once and never moved, so that a
/// table that grows neither copies its entries nor has room for as many again.
pub(crate) const BLOCK: u32 = 64;

/// Where an entry is, and which of those that were ever there it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) place: u32,
    pub(crate) sequence: u64,
}

#[derive(Debug)]
struct Slot<T> {
    /// The sequence number of what is here; without that, the next free place.
    number: u64,
    entry: Option<T>,
}

/// A table of entries.
#[derive(Debug)]
pub(crate) struct Entries<T> {
    blocks: Vec<Vec<Slot<T>>>,
    /// The free place that is taken next, if there is one.
    free: Option<u32>,
    sequence: u64,
    len: usize,
}

impl<T> Entries<T> {
    /// An empty table, whose keys count from this number on.
    pub(crate) const fn counting_from(sequence: u64) -> Self {
        Self { blocks: Vec::new(), free: None, sequence, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn slot(&self, place: u32) -> Option<&Slot<T>> {
        self.blocks.get((place / BLOCK) as usize)?.get((place % BLOCK) as usize)
    }

    fn slot_mut(&mut self, place: u32) -> Option<&mut Slot<T>> {
        self.blocks.get_mut((place / BLOCK) as usize)?.get_mut((place % BLOCK) as usize)
    }

    /// Adds an entry; whoever does so holds fewer than 2³² at a time.
    pub(crate) fn insert(&mut self, entry: T) -> Key {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.len += 1;
        if let Some(place) = self.free
            && let Some(slot) = self.slot_mut(place)
        {
            let next = std::mem::replace(&mut slot.number, sequence);
            slot.entry = Some(entry);
            self.free = u32::try_from(next).ok();
            return Key { place, sequence };
        }
        let full = self.blocks.last().is_none_or(|last| last.len() == BLOCK as usize);
        if full {
            self.blocks.push(Vec::with_capacity(BLOCK as usize));
        }
        let before = (self.blocks.len() - 1) * BLOCK as usize;
        let mut place = before;
        if let Some(last) = self.blocks.last_mut() {
            place += last.len();
            last.push(Slot { number: sequence, entry: Some(entry) });
        }
        Key { place: u32::try_from(place).unwrap_or(u32::MAX), sequence }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slot(key.place).filter(|slot| slot.number == key.sequence)?;
        slot.entry.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_mut(key.place).filter(|slot| slot.number == key.sequence)?;
        slot.entry.as_mut()
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let next = self.free.map_or(u64::MAX, u64::from);
        let slot = self.slot_mut(key.place).filter(|slot| slot.number == key.sequence)?;
        let entry = slot.entry.take()?;
        slot.number = next;
        self.free = Some(key.place);
        self.len -= 1;
        if self.len == 0 {
            // A burst is over.
            self.blocks.truncate(1);
            if let Some(block) = self.blocks.first_mut() {
                block.clear();
            }
            self.free = None;
        }
        Some(entry)
    }

    /// What is in a place, whichever it is.
    pub(crate) fn at(&self, place: u32) -> Option<(Key, &T)> {
        let slot = self.slot(place)?;
        Some((Key { place, sequence: slot.number }, slot.entry.as_ref()?))
    }

    /// All entries, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let places = (0..).zip(self.blocks.iter().flatten());
        places.filter_map(|(place, slot)| {
            Some((Key { place, sequence: slot.number }, slot.entry.as_ref()?))
        })
    }

    /// Forgets all entries; their keys stay used.
    pub(crate) fn clear(&mut self) {
        *self = Self::counting_from(self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_is_used_again_and_a_key_is_not() {
        let mut entries = Entries::counting_from(7);
        let first = entries.insert("first");
        let _other = entries.insert("other");
        assert_eq!(entries.remove(first), Some("first"));
        let second = entries.insert("second");
        assert_eq!(first.place, second.place);
        assert!(entries.get(first).is_none() && entries.remove(first).is_none());
        assert_eq!(entries.at(first.place), Some((second, &"second")));
        entries.clear();
        assert!(entries.is_empty() && entries.get(second).is_none());
        assert!(entries.insert("third").sequence > second.sequence);
    }

    proptest! {
        /// Insertions, and removals by a key that may be used up.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec(prop::option::weighted(0.5, any::<prop::sample::Index>()), 0..400)) {
            let mut entries = Entries::counting_from(u64::MAX - 20);
            let mut model = HashMap::new();
            let mut keys: Vec<Key> = Vec::new();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some(index) if !keys.is_empty() => {
                        let key = keys[index.index(keys.len())];
                        let expected = model.remove(&(key.place, key.sequence));
                        prop_assert_eq!(entries.get(key).copied(), expected);
                        prop_assert_eq!(entries.remove(key), expected);
                    }
                    _ => {
                        let key = entries.insert(number);
                        prop_assert!(!keys.contains(&key));
                        keys.push(key);
                        prop_assert_eq!(model.insert((key.place, key.sequence), number), None);
                    }
                }
                prop_assert_eq!(entries.len(), model.len());
                prop_assert_eq!(entries.is_empty(), model.is_empty());
            }
            let found: HashMap<_, _> = entries
                .iter()
                .map(|(key, entry)| ((key.place, key.sequence), *entry))
                .collect();
            prop_assert_eq!(found, model);
        }
    }
}
