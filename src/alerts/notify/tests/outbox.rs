//! The outbox over crashes, retries, two processes and a clock that jumps.

use super::*;

const PACE: Pace = Pace {
    group_wait: Duration::from_secs(30),
    tries: 5,
    first_retry: Duration::from_secs(15),
    lease: Duration::from_secs(30),
};

/// What is taken for `channels` at so many seconds: each message as `channel: items (attempt)`.
fn taken(store: &Store, channels: &[&str], seconds: u64) -> (Vec<Batch>, String) {
    let claim = claim(store, channels, &PACE, at(seconds)).unwrap();
    let text = claim.batches.iter().map(|batch| {
        let sign = |item: &Item| if item.notification.state == Told::Resolved { "-" } else { "" };
        let items: Vec<String> =
            batch.message.items.iter().map(|item| format!("{}{}", sign(item), item.notification.id)).collect();
        format!("{}: {} ({})", batch.message.channel, items.join(" "), batch.attempt)
    });
    let text = text.collect::<Vec<_>>().join("; ");
    (claim.batches, text)
}

fn at(seconds: u64) -> Timestamp {
    NOW.plus_ms(seconds * 1000)
}

fn done(store: &Store, batch: &Batch, seconds: u64) {
    settle(store, batch, Ok(()), &PACE, 0.5, at(seconds)).unwrap();
}

#[test]
fn what_follows_a_message_soon_is_collected() {
    let (_dir, store) = store();
    queue(&store, "a b", &["ops"], at(0));
    let (batches, text) = taken(&store, &["ops", "other"], 0);
    assert_eq!(text, "ops: a b (1)");
    done(&store, &batches[0], 1);
    queue(&store, "c", &["ops"], at(5));
    queue(&store, "-a", &["ops"], at(20));
    assert_eq!(taken(&store, &["ops"], 29).1, "");
    let (batches, text) = taken(&store, &["ops"], 30);
    assert_eq!(text, "ops: c -a (1)");
    done(&store, &batches[0], 31);
    assert_eq!(standings(&store).unwrap()["ops"].waiting, 0);
    assert_eq!(standings(&store).unwrap()["ops"].record.delivered, 4);
}

#[test]
fn a_crash_before_delivery_loses_nothing_and_the_repeat_has_the_same_name() {
    let (dir, store) = store();
    queue(&store, "a", &["ops"], at(0));
    let (first, _) = taken(&store, &["ops"], 0);
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    // Somebody may still be at it.
    assert_eq!(taken(&store, &["ops"], 29).1, "");
    let (second, text) = taken(&store, &["ops"], 30);
    assert_eq!(text, "ops: a (1)");
    assert_eq!(first[0].message, second[0].message);
    // The first was alive after all: what it delivered is gone for both.
    done(&store, &first[0], 31);
    assert_eq!(settle(&store, &second[0], Err("late"), &PACE, 0.5, at(32)).unwrap(), Settled::default());
    assert_eq!(taken(&store, &["ops"], 900).1, "");
}

#[test]
fn five_tries_with_growing_waits_then_it_is_given_up() {
    let (dir, mut store) = store();
    queue(&store, "a", &["ops"], at(0));
    let mut now = 0;
    for (attempt, wait) in [(1, 15), (2, 60), (3, 240), (4, 960)] {
        let (batches, text) = taken(&store, &["ops"], now);
        assert_eq!(text, format!("ops: a ({attempt})"));
        let settled = settle(&store, &batches[0], Err("500"), &PACE, 0.5, at(now)).unwrap();
        assert_eq!(settled, Settled { kept: 1, lost: 0 });
        let standing = &standings(&store).unwrap()["ops"];
        assert_eq!((standing.tries, standing.next_try), (attempt, Some(at(now + wait).millis())));
        // The count outlives the process.
        drop(store);
        store = Store::open(dir.path()).unwrap();
        assert_eq!(taken(&store, &["ops"], now + wait - 1).1, "");
        now += wait;
    }
    let (batches, _) = taken(&store, &["ops"], now);
    // The end comes while the last try is under way, and waits for it; nobody heard of the beginning.
    queue(&store, "-a", &["ops"], at(now));
    let settled = settle(&store, &batches[0], Err("500"), &PACE, 0.5, at(now)).unwrap();
    assert_eq!(settled, Settled { kept: 0, lost: 1 });
    assert_eq!(taken(&store, &["ops"], now + 60).1, "");
    let standing = &standings(&store).unwrap()["ops"];
    assert_eq!((standing.waiting, standing.record.lost, standing.record.failures), (0, 1, 5));
    assert_eq!(standing.record.last_error, "500");
}

#[test]
fn the_end_of_what_was_told_is_told_everywhere_it_was() {
    let (_dir, store) = store();
    queue(&store, "a", &["ops"], at(0));
    let (batches, _) = taken(&store, &["ops"], 0);
    done(&store, &batches[0], 0);
    queue(&store, "-a", &["ops", "new"], at(60));
    let (batches, text) = taken(&store, &["ops", "new"], 60);
    assert_eq!(text, "ops: -a (1)");
    done(&store, &batches[0], 60);
    // Twice is not told twice.
    queue(&store, "-a", &["ops"], at(120));
    assert_eq!(taken(&store, &["ops"], 120).1, "");
}

#[test]
fn what_names_no_channel_goes_to_all_and_what_names_an_unknown_one_waits() {
    let (_dir, store) = store();
    queue(&store, "a", &[], at(0));
    assert_eq!(taken(&store, &[], 0).1, "");
    assert_eq!(taken(&store, &["ops", "terminal"], 0).1, "ops: a (1); terminal: a (1)");
    queue(&store, "b", &["later"], at(0));
    assert_eq!(taken(&store, &["ops"], 60).1, "ops: a (1)");
    assert_eq!(taken(&store, &["later"], 60).1, "later: b (1)");
}

#[test]
fn what_is_given_back_goes_out_again_at_once() {
    let (_dir, store) = store();
    queue(&store, "a", &["ops"], at(0));
    let (first, _) = taken(&store, &["ops"], 0);
    release(&store, &first[0]).unwrap();
    let (second, text) = taken(&store, &["ops"], 1);
    assert_eq!(text, "ops: a (1)");
    assert_eq!(first[0].message, second[0].message);
}

#[test]
fn an_outbox_that_nobody_empties_is_bounded() {
    let (_dir, store) = store();
    for round in 0..3 {
        let all: Vec<Notification> =
            (0..400).map(|i| notification(&format!("n{}", round * 400 + i), &["gone"])).collect();
        store.write_tables(|t| enqueue(t, &all, at(round))).unwrap();
    }
    let standing = &standings(&store).unwrap()["gone"];
    assert_eq!((standing.waiting, standing.record.lost), (1000, 200));
    let (batches, _) = taken(&store, &["gone"], 60);
    assert_eq!(batches[0].message.items.len(), 100);
    assert_eq!(batches[0].message.items[0].notification.id, "n200");
}

#[test]
fn a_transaction_that_fails_queues_nothing() {
    let (_dir, store) = store();
    let failed: Result<(), ax_storage::tier::db::DbError> = store.write_tables(|t| {
        enqueue(t, &[notification("a", &["ops"])], at(0))?;
        Err(store.db().damaged("here", "a test"))
    });
    assert!(failed.is_err());
    assert_eq!(taken(&store, &["ops"], 0).1, "");
}
