//! A node in a process of its own, asked line by line: one of ours, or one of iroh-docs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Outcome;

/// What runs in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// A node of ours.
    Ours,
    /// iroh-docs with its store in files.
    IrohFiles,
    /// iroh-docs with its store in memory.
    IrohMemory,
}

impl System {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "Antiphon",
            Self::IrohFiles => "iroh-docs, files",
            Self::IrohMemory => "iroh-docs, memory",
        }
    }

    /// The program and its words before the home, and those after it.
    fn program(self) -> Outcome<(PathBuf, &'static [&'static str], &'static [&'static str])> {
        Ok(match self {
            Self::Ours => (std::env::current_exe()?, &["serve"], &[]),
            Self::IrohFiles => (iroh()?, &[], &["files"]),
            Self::IrohMemory => (iroh()?, &[], &["memory"]),
        })
    }
}

/// The program that runs iroh-docs; `bench/federation.sh` builds it.
pub fn iroh() -> Outcome<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("iroh/target/release/antiphon-bench-iroh");
    let path = std::env::var_os("ANTIPHON_BENCH_IROH").map_or(built, PathBuf::from);
    if path.exists() { Ok(path) } else { Err(format!("{} is not built", path.display()).into()) }
}

/// A node in another process.
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub fn start(system: System, home: &Path) -> Outcome<Self> {
        let (program, before, after) = system.program()?;
        let mut command = Command::new(program);
        command.args(before).arg(home).args(after);
        Self::spawn(command)
    }

    /// Starts this program once more, with other words.
    pub fn again(words: &[impl AsRef<OsStr>]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        Ok(Self { child, input, output })
    }

    /// Says something and waits for the answer.
    pub async fn ask(&mut self, line: &str) -> Outcome<String> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.output.next_line().await?.ok_or("the node went away")?)
    }

    /// Asks for numbers.
    pub async fn numbers(&mut self, line: &str) -> Outcome<Vec<f64>> {
        let answer = self.ask(line).await?;
        Ok(answer.split(' ').map(str::parse).collect::<Result<_, _>>()?)
    }

    pub async fn quit(mut self) -> Outcome<()> {
        self.input.write_all(b"quit\n").await?;
        self.child.wait().await?;
        Ok(())
    }

    /// Ends the process at once and without a word, as a crash would.
    pub async fn kill(mut self) -> Outcome<()> {
        Ok(self.child.kill().await?)
    }

    /// Memory that the process has now, and the most it ever had, in MiB.
    pub fn memory(&self) -> Outcome<(f64, f64)> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let field = |key: &str| -> Outcome<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such line")?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Time that the process has used of all processors, in milliseconds.
    pub fn processor_ms(&self) -> Outcome<f64> {
        // Exact times of every thread; the ticks of `stat` would be too coarse for an idle process.
        let mut nanoseconds = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()?))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().ok_or("no time")?.parse::<f64>()?;
        }
        Ok(nanoseconds / 1e6)
    }

    fn id(&self) -> Outcome<u32> {
        Ok(self.child.id().ok_or("the node has ended")?)
    }
}
