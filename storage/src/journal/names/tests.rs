//! Names keep their numbers, whatever their length and whoever adds them.

use super::*;

#[test]
fn a_name_keeps_its_number_and_parts_do_not_run_together() {
    let table = Table::new(Class::Series, 10);
    let id = |a, b| table.get(a, b).unwrap().id();
    assert_eq!(id("ab", "c"), 1);
    assert_eq!(id("a", "bc"), 2);
    assert_eq!(id("", "abc"), 3);
    assert_eq!(id("abc", ""), 4);
    assert_eq!(id("abc\0", ""), 5);
    assert_eq!(id("ab", "c"), 1);
    table.get("ab", "c").unwrap().with_parts(|a, b| assert_eq!((a, b), ("ab", "c")));
}

#[test]
fn a_full_table_knows_the_old_and_refuses_the_new() {
    let table = Table::new(Class::User, 3);
    for name in ["a", "b", "c"] {
        assert!(table.get(name, "").is_some());
    }
    assert!(table.get("d", "").is_none());
    assert_eq!(table.get("b", "").unwrap().id(), 2);
    let table = Table::new(Class::User, USERS_MAX);
    let long = "x".repeat(200);
    let taken = (0..USERS_MAX).take_while(|i| table.get(&format!("{long}{i}"), "").is_some()).count();
    assert!((3500..5000).contains(&taken), "{taken}");
    assert!(table.find(&format!("{long}{}", taken - 1), "").is_some());
}

#[test]
fn all_users_fit_when_their_names_are_as_long_as_a_uuid() {
    let table = Table::new(Class::User, USERS_MAX);
    assert!((0..USERS_MAX).all(|i| table.get(&format!("{i:036}"), "").is_some()));
    assert!(table.get("one more", "").is_none());
}

proptest::proptest! {
    #[test]
    fn names_of_every_length_come_back(names in proptest::collection::vec((".{0,70}", ".{0,70}"), 1..30)) {
        let table = Table::new(Class::Series, 100);
        let mut ids = std::collections::HashMap::new();
        for (a, b) in names.iter().chain(&names) {
            let known = table.find(a, b).map(|name| name.id());
            if a.len() > NAME_BYTES_MAX || b.len() > NAME_BYTES_MAX {
                assert!(known.is_none() && table.get(a, b).is_none());
                continue;
            }
            let next = ids.len() as u32 + 1;
            assert_eq!(known, ids.get(&(a, b)).copied());
            let name = table.get(a, b).unwrap();
            assert_eq!(name.id(), *ids.entry((a, b)).or_insert(next));
            name.with_parts(|x, y| assert_eq!((x, y), (a.as_str(), b.as_str())));
        }
    }
}

#[test]
fn threads_that_add_at_once_agree() {
    let table = Table::new(Class::User, 1000);
    let ids = |_| {
        let id = |i: u32| loop {
            // Taken by another thread at this moment: an event would carry its name.
            if let Some(entry) = table.get(&format!("user{i}"), "") {
                return entry.id();
            }
        };
        (0..1000).map(id).collect::<Vec<_>>()
    };
    let all: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|t| scope.spawn(move || ids(t))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(all.iter().all(|ids| *ids == all[0]));
    let mut sorted = all[0].clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=1000).collect::<Vec<_>>());
}
