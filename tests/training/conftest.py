import pytest
import trainers


@pytest.fixture(scope="session")
def blobs():
    """Three classes of points in the plane, 300 of them, easy to tell apart."""
    return trainers.blobs()
