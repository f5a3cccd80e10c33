//! What a repair is compared with: the same ciphertexts, copied over TCP from files to files of another process.
//!
//! Nothing is encrypted, hashed or noted. The taker waits for the disk as a node does, every 64 MiB, at the end of each
//! file and for its name, and only then says that it has it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Outcome;
use crate::peer::Peer;

/// Copies under way at once.
const STREAMS: usize = 4;
/// Bytes that are read and written at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes after which the taker waits for the disk, as a transfer does.
const FLUSH_BYTES: usize = 64 * 1024 * 1024;

/// Copies files into `dir`; says how long that took, in seconds.
pub async fn copy(files: Vec<(PathBuf, u64)>, dir: &Path) -> Outcome<f64> {
    fs::create_dir_all(dir)?;
    let mut taker = Peer::again(&["replication-take".as_ref(), dir.as_os_str()])?;
    let port: u16 = taker.ask("port").await?.parse()?;
    let took = tokio::task::spawn_blocking(move || give(files, port)).await??;
    taker.quit().await?;
    fs::remove_dir_all(dir)?;
    Ok(took)
}

/// Hands the files out over several connections.
fn give(mut files: Vec<(PathBuf, u64)>, port: u16) -> Outcome<f64> {
    // The longest first, each to the connection that has least, so that all end at about the same time.
    files.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let mut shares: Vec<(u64, Vec<(PathBuf, u64)>)> = vec![(0, Vec::new()); STREAMS];
    for file in files {
        let least = shares.iter_mut().min_by_key(|(bytes, _)| *bytes).ok_or("no connection")?;
        least.0 += file.1;
        least.1.push(file);
    }
    let began = Instant::now();
    let threads: Vec<_> =
        shares.into_iter().map(|(_, share)| std::thread::spawn(move || give_all(&share, port))).collect();
    for thread in threads {
        thread.join().map_err(|_| "a giver broke")??;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn give_all(files: &[(PathBuf, u64)], port: u16) -> Outcome<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let (mut chunk, mut done) = (vec![0; CHUNK_BYTES], [0]);
    for (path, length) in files {
        stream.write_all(&length.to_le_bytes())?;
        let mut file = File::open(path)?;
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                read => stream.write_all(&chunk[..read])?,
            }
        }
        stream.read_exact(&mut done)?;
    }
    Ok(())
}

/// The process that takes: `replication-take DIR`.
pub fn take(dir: &Path) -> Outcome<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let dir = dir.clone();
            std::thread::spawn(move || {
                if let Err(error) = stream.map_err(Into::into).and_then(|stream| take_all(stream, &dir, number)) {
                    eprintln!("a copy broke: {error}");
                }
            });
        }
    });
    for line in std::io::stdin().lines() {
        if line? == "quit" {
            break;
        }
        println!("{port}");
    }
    Ok(())
}

fn take_all(mut stream: TcpStream, dir: &Path, number: usize) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let (mut chunk, mut length, names) = (vec![0; CHUNK_BYTES], [0; 8], File::open(dir)?);
    for n in 0_u64.. {
        if stream.read_exact(&mut length).is_err() {
            break;
        }
        let path = dir.join(format!("{number}-{n}"));
        let (mut file, mut left, mut unsynced) =
            (File::create(&path)?, usize::try_from(u64::from_le_bytes(length))?, 0);
        while left > 0 {
            let wanted = left.min(CHUNK_BYTES);
            stream.read_exact(&mut chunk[..wanted])?;
            file.write_all(&chunk[..wanted])?;
            left -= wanted;
            unsynced += wanted;
            if unsynced >= FLUSH_BYTES {
                file.sync_data()?;
                unsynced = 0;
            }
        }
        file.sync_data()?;
        names.sync_all()?;
        stream.write_all(&[1])?;
    }
    Ok(())
}
