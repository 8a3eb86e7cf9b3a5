"""What RocksDB's errors mean; the texts were seen with rocksdict 0.3 and RocksDB 10."""

import errno

import pytest

from streams.runtime.store.errors import StoreProblem, classify

BAD_BLOCK = "Corruption: block checksum mismatch: stored(context removed) = 1, computed = 2, type = 4  in /x.sst"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Exception(BAD_BLOCK), StoreProblem.DAMAGED),
        (Exception("Corruption: CURRENT file does not end with newline"), StoreProblem.DAMAGED),
        (Exception("IO error: No such file or directory: /x.sst"), StoreProblem.DAMAGED),
        (Exception("IO error: Input/output error: /x.sst"), StoreProblem.DAMAGED),
        (Exception("Invalid argument: wrong comparator"), StoreProblem.DAMAGED),
        (Exception("IO error: No space left on device: /x.log"), StoreProblem.DISK_FULL),
        (Exception("IO error: File too large: /x.log"), StoreProblem.DISK_FULL),
        (OSError(errno.ENOSPC, "No space left on device"), StoreProblem.DISK_FULL),
        (Exception("IO error: lock hold by current process"), StoreProblem.OTHER),
        (Exception("IO error: While lock file: /x/LOCK: busy"), StoreProblem.OTHER),
        (Exception("IO error: Too many open files"), StoreProblem.OTHER),
        (TypeError("a bug"), StoreProblem.OTHER),
        (OSError(errno.EIO, "not of RocksDB"), StoreProblem.OTHER),
    ],
)
def test_what_an_error_means(error: Exception, problem: StoreProblem):
    """Only what says something about the content of the store condemns it."""
    assert classify(error) is problem
