//! A file that is written to beside what makes the text: on two processors that takes half the time.
//!
//! It knows nothing of what is written. Nothing is lost: whoever needs the file to be complete waits for it.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use crate::logs::in_pieces;

/// So many blocks wait at most; then it is waited for the file.
const BLOCKS: usize = 4;

/// Writes blocks in the order in which they come.
pub struct Writer {
    blocks: Option<SyncSender<Vec<u8>>>,
    /// Blocks that have been written, to be filled again.
    spare: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Writer {
    /// `None` if no thread can be started.
    #[must_use]
    pub fn start(mut file: File) -> Option<Writer> {
        let (blocks, to_write) = sync_channel::<Vec<u8>>(BLOCKS);
        let (written, spare) = channel();
        let work = move || {
            for block in to_write {
                in_pieces(&mut file, &block)?;
                // Nobody fills it again at the end.
                drop(written.send(block));
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("output".to_owned()).spawn(work).ok()?;
        Some(Writer { blocks: Some(blocks), spare, thread: Some(thread) })
    }

    /// Takes what is in `block`, and leaves an empty one there. False if the file cannot be written to any more.
    pub fn write(&self, block: &mut Vec<u8>) -> bool {
        let full = std::mem::replace(block, self.spare.try_recv().unwrap_or_default());
        block.clear();
        self.blocks.as_ref().is_some_and(|blocks| blocks.send(full).is_ok())
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn finish(&mut self) -> io::Result<()> {
        self.blocks = None;
        // A panic of the thread has been told; it has nothing else to say.
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.finish());
    }
}
