//! Clients that send at fixed times, whether the last answer has come or not.
//!
//! So a server that stands still is seen for as long as it does: a client that waited for its answer
//! would say nothing meanwhile, and notice only once.

use std::{
    cell::RefCell,
    io,
    net::Ipv4Addr,
    rc::Rc,
    time::{Duration, Instant},
};

use greenloop::{net::TcpStream, time::sleep_until};
use serde_json::json;

use crate::{cli::PingsPart, handler::BLOCK, system};

/// Sends, and prints `[when sent, how late the answer]` for every message, in milliseconds.
pub fn send(part: &PingsPart) -> io::Result<()> {
    system::die_with_parent(60);
    system::bind(&[part.cpu])?;
    greenloop::run(async {
        let connect = || async {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, part.port)).await?;
            stream.set_nodelay(true)?;
            // So that it is accepted before the time begins.
            exchange(&stream, b'.').await.map(|()| Rc::new(stream))
        };
        let mut streams = Vec::new();
        for _ in 0..part.clients {
            streams.push(connect().await?);
        }
        let blocker = connect().await?;
        let start = Instant::now() + Duration::from_millis(20);
        let answers = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = Vec::new();
        for (number, stream) in streams.into_iter().enumerate() {
            // Their times are spread over the interval.
            let shift = part.every as f64 / 1e3 * number as f64 / part.clients as f64;
            let first = start + Duration::from_secs_f64(shift);
            let times: Vec<_> = (0..part.length / part.every)
                .map(|count| first + Duration::from_millis(count * part.every))
                .collect();
            let (reader, due) = (Rc::clone(&stream), times.clone());
            tasks.push(greenloop::spawn(async move {
                for time in times {
                    sleep_until(time).await;
                    stream.write_all(b".").await?;
                }
                Ok(())
            }));
            let answers = Rc::clone(&answers);
            tasks.push(greenloop::spawn(async move {
                for time in due {
                    reader.read_exact(&mut [0]).await?;
                    let millis = |time: Duration| time.as_secs_f64() * 1e3;
                    // The time that was meant counts, so that a late client hides nothing.
                    answers.borrow_mut().push((
                        number,
                        millis(time - start),
                        millis(time.elapsed()),
                    ));
                }
                io::Result::Ok(())
            }));
        }
        sleep_until(start + Duration::from_millis(part.block_at)).await;
        exchange(&blocker, BLOCK).await?;
        for ended in greenloop::join_all(tasks).await {
            ended??;
        }
        println!("{}", json!({ "answers": &*answers.borrow() }));
        Ok(())
    })
}

async fn exchange(stream: &TcpStream, byte: u8) -> io::Result<()> {
    stream.write_all(&[byte]).await?;
    stream.read_exact(&mut [0]).await
}
