"""Of the faces in a clip's frames, the one that the clip is about: the one that stays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fewshot_fer.faces.detector import Face

LEAST_OVERLAP = 0.3  # of two boxes of one face, as a share of both together
LONGEST_GAP = 12  # frames that a face may be missed for and still be the same


@dataclass
class Track:
    """One face through a clip: frame number -> its place among the faces of that frame."""

    places: dict[int, int] = field(default_factory=dict)
    faces: list[Face] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The latest frame that it was seen in."""
        return max(self.places)

    @property
    def mean_area(self) -> float:
        """Square pixels."""
        return sum(face.area for face in self.faces) / len(self.faces)

    def add(self, frame: int, place: int, face: Face) -> None:
        """Note that it was seen."""
        self.places[frame] = place
        self.faces.append(face)


def follow(frames: Sequence[Sequence[Face]]) -> list[Track]:
    """Return the tracks of all faces in a clip's frames.

    Each face continues the track whose latest box it overlaps most, the best pairs first; what
    overlaps none begins a new one.
    """
    tracks: list[Track] = []
    for number, faces in enumerate(frames):
        open_tracks = [track for track in tracks if number - track.last <= LONGEST_GAP]
        pairs = sorted(
            (
                (overlap(track.faces[-1], face), of_track, place)
                for of_track, track in enumerate(open_tracks)
                for place, face in enumerate(faces)
            ),
            reverse=True,
        )
        taken_tracks: set[int] = set()
        taken: set[int] = set()
        for share, of_track, place in pairs:
            if share >= LEAST_OVERLAP and of_track not in taken_tracks and place not in taken:
                open_tracks[of_track].add(number, place, faces[place])
                taken_tracks.add(of_track)
                taken.add(place)
        for place, face in enumerate(faces):
            if place not in taken:
                tracks.append(Track({number: place}, [face]))
    return tracks


def persistent(frames: Sequence[Sequence[Face]]) -> Track | None:
    """Return the track that most frames have, of equally long ones that of the larger face."""
    tracks = follow(frames)
    return max(tracks, key=lambda track: (len(track.places), track.mean_area), default=None)


def overlap(one: Face, other: Face) -> float:
    """Return the common area of two boxes as a share, 0..1, of what they cover together."""
    left, top = max(one.box[0], other.box[0]), max(one.box[1], other.box[1])
    right, bottom = min(one.box[2], other.box[2]), min(one.box[3], other.box[3])
    common = max(0.0, right - left) * max(0.0, bottom - top)
    together = one.area + other.area - common
    return common / together if together > 0 else 0.0
