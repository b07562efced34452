//! Small consecutive numbers for things that are met again and again, and of which there are few.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// What can be numbered.
pub(crate) trait Numbered: Copy + Eq + Hash {
    /// Another one for each of the few things that ordinary traffic has, as far as may be.
    fn place(self) -> u32;
}

/// Numbers in the order in which things came.
pub(crate) struct Numbers<T> {
    found: HashMap<T, u32, RandomState>,
    list: Vec<T>,
    /// The number last given out at each place: for most traffic this is no hash.
    recent: [u32; RECENT],
}

const RECENT: usize = 256;

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { found: HashMap::default(), list: Vec::new(), recent: [0; RECENT] }
    }
}

impl<T: Numbered> Numbers<T> {
    /// The number of a thing, which may be new.
    #[inline]
    pub(crate) fn of(&mut self, thing: T) -> u32 {
        if let Some(recent) = self.recent(thing) {
            return recent;
        }
        let number = *self.found.entry(thing).or_insert_with(|| {
            self.list.push(thing);
            u32::try_from(self.list.len() - 1).expect("fewer things than rows")
        });
        self.recent[thing.place() as usize % RECENT] = number;
        number
    }

    /// The number of a thing that has one.
    #[inline]
    pub(crate) fn get(&self, thing: T) -> u32 {
        self.recent(thing).unwrap_or_else(|| self.found[&thing])
    }

    #[inline]
    fn recent(&self, thing: T) -> Option<u32> {
        let number = self.recent[thing.place() as usize % RECENT];
        (self.list.get(number as usize) == Some(&thing)).then_some(number)
    }

    /// All things by their numbers.
    pub(crate) fn list(&self) -> &[T] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Numbered for u32 {
        fn place(self) -> u32 {
            self / 3
        }
    }

    proptest! {
        #[test]
        fn each_keeps_the_number_it_came_with(things in prop::collection::vec(0..2000_u32, 0..400)) {
            let mut numbers = Numbers::default();
            let mut came: Vec<u32> = Vec::new();
            for &thing in &things {
                let place = came.iter().position(|other| *other == thing).unwrap_or(came.len());
                if place == came.len() {
                    came.push(thing);
                }
                prop_assert_eq!(numbers.of(thing) as usize, place);
            }
            prop_assert_eq!(numbers.list(), &came[..]);
            for (place, &thing) in came.iter().enumerate() {
                prop_assert_eq!(numbers.get(thing) as usize, place);
            }
        }
    }
}
