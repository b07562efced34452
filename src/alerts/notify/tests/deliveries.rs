//! The courier at work: many channels, slow and broken ones, two couriers, the end in the middle.

use std::sync::{Arc, Mutex};

use ax_storage::clock::{Stopwatch, SystemClock};

use super::server::{Manner, Server, wait_until};
use super::*;

fn options() -> Options {
    Options {
        pace: Pace {
            group_wait: Duration::from_millis(1),
            tries: 5,
            first_retry: Duration::from_millis(2),
            lease: Duration::from_secs(30),
        },
        limit: Duration::from_secs(20),
        // Only a call wakes it.
        look_every: Duration::from_secs(3600),
        grace: Duration::from_millis(50),
        clock: Arc::new(SystemClock),
    }
}

/// Keeps what it is told; prints when `terminal` is set.
#[derive(Clone, Default)]
struct Notes {
    terminal: bool,
    reports: Arc<Mutex<Vec<Report>>>,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Desk for Notes {
    fn print(&self, message: &Message) -> Result<(), SendError> {
        self.printed.lock().unwrap().extend(lines(message));
        Ok(())
    }

    fn has_terminal(&self) -> bool {
        self.terminal
    }

    fn report(&self, report: Report) {
        self.reports.lock().unwrap().push(report);
    }
}

fn now() -> Timestamp {
    ax_storage::clock::now()
}

fn courier(store: &Store, channels: Vec<Channel>, notes: &Notes) -> Courier {
    Courier::start(store.clone(), channels, options(), notes.clone()).unwrap()
}

fn ids(body: &serde_json::Value) -> Vec<String> {
    body["alerts"].as_array().unwrap().iter().map(|a| a["delivery"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_call_delivers_at_once_and_a_slow_channel_delays_nobody() {
    let (_dir, store) = store();
    let (slow, quick) = (Server::start(Manner::Nothing), Server::start(Manner::status(200)));
    let notes = Notes { terminal: true, ..Notes::default() };
    let channels = vec![webhook("slow", slow.url.clone()), webhook("quick", quick.url.clone())];
    let courier = courier(&store, channels, &notes);
    queue(&store, "a", &["slow"], now());
    courier.wake();
    wait_until("the slow one has begun", || !slow.bodies().is_empty());
    queue(&store, "b", &[], now());
    let watch = Stopwatch::start();
    courier.wake();
    wait_until("the quick ones are done", || !quick.bodies().is_empty() && !notes.printed.lock().unwrap().is_empty());
    assert!(watch.elapsed() < Duration::from_secs(5));
    assert_eq!(quick.bodies()[0]["alerts"][0]["id"], "b");
    // `b` waits for the slow one too, behind `a`.
    assert_eq!(standings(&store).unwrap()["slow"].waiting, 2);
}

#[test]
fn a_receiver_that_always_fails_gets_five_tries_with_one_name() {
    let (_dir, store) = store();
    let server = Server::start(Manner::status(500));
    let notes = Notes::default();
    let courier = courier(&store, vec![webhook("ops", server.url.clone())], &notes);
    queue(&store, "a", &["ops"], now());
    courier.wake();
    wait_until("five tries", || notes.reports.lock().unwrap().len() == 5);
    let names: Vec<_> = server.bodies().iter().map(ids).collect();
    assert!(names.iter().all(|n| *n == names[0]), "{names:?}");
    assert_eq!(names.len(), 5);
    let last = notes.reports.lock().unwrap().last().cloned();
    assert!(matches!(last, Some(Report::Failed { attempt: 5, tries: 5, lost: 1, .. })), "{last:?}");
    drop(courier);
    assert_eq!(server.bodies().len(), 5);
}

#[test]
fn two_couriers_on_one_store_deliver_everything_once() {
    let (dir, store) = store();
    let server = Server::start(Manner::status(200));
    let notes = Notes::default();
    let other = Store::open(dir.path()).unwrap();
    let channels = || vec![webhook("ops", server.url.clone())];
    let couriers = [courier(&store, channels(), &notes), courier(&other, channels(), &notes)];
    for i in 0..20 {
        queue(&store, &format!("a{i}"), &["ops"], now());
        couriers.iter().for_each(Courier::wake);
    }
    let count = || server.bodies().iter().map(|body| ids(body).len()).sum::<usize>();
    wait_until("all of them", || count() >= 20);
    // Who is stopped between a delivery and noting it leaves it to the other, who repeats it.
    wait_until("all noted", || standings(&store).unwrap()["ops"].waiting == 0);
    drop(couriers);
    let mut names: Vec<String> = server.bodies().iter().flat_map(ids).collect();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), count()), (20, 20));
}

#[test]
fn the_end_in_the_middle_of_a_delivery_is_quick_and_loses_nothing() {
    let (_dir, store) = store();
    let hanging = Server::start(Manner::Nothing);
    let notes = Notes::default();
    let argv = ["sleep", "60"].map(str::to_owned).to_vec();
    let channels =
        vec![webhook("ops", hanging.url.clone()), Channel { name: "run".into(), kind: ChannelKind::Command { argv } }];
    let courier = courier(&store, channels, &notes);
    queue(&store, "a", &["ops", "run"], now());
    courier.wake();
    wait_until("it is under way", || !hanging.bodies().is_empty());
    let watch = Stopwatch::start();
    drop(courier);
    assert!(watch.elapsed() < Duration::from_secs(1), "{:?}", watch.elapsed());
    let again = claim(&store, &["ops", "run"], &options().pace, now()).unwrap();
    assert_eq!(again.batches.len(), 2, "{again:?}");
    let name = &again.batches[0].message.items[0].delivery;
    assert_eq!(ids(&hanging.bodies()[0])[0], *name);
}

#[test]
fn channels_can_be_exchanged_while_it_runs() {
    let (_dir, store) = store();
    let server = Server::start(Manner::status(200));
    let notes = Notes::default();
    let courier = courier(&store, Vec::new(), &notes);
    queue(&store, "a", &["ops"], now());
    courier.wake();
    std::thread::sleep(Duration::from_millis(50));
    assert!(server.bodies().is_empty());
    courier.set_channels(vec![webhook("ops", server.url.clone())]);
    wait_until("it arrives", || server.bodies().len() == 1);
}
