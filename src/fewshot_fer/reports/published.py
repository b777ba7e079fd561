"""The study's own table, and what each of its numbers means."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of the study's table; accuracies are fractions, None where it prints none.

    experiment: the file in conf/experiment that repeats it.
    """

    number: int
    experiment: str
    train_set: str
    evaluation: str
    accuracy: float | None
    loss: float | None
    test: float | None
    test_set: str
    meaning: str


TRAINING = "its ACC and Loss are most probably of the training episodes: compare them with `train`"
STUDY = (
    Published(
        1, "study_1_basic_to_compound_4w5s", "RAF-DB basic", "RAF-DB compound, 4-way 5-shot",
        0.87, 0.3093, 0.37, "AFEW val",
        f"{TRAINING}; 4-way chance is 25 %, and a test of 37 % from 100 episodes x 4 queries is "
        "37 ± 4.7",
    ),
    Published(
        2, "study_2_basic_to_compound_7w1s", "RAF-DB basic", "7-way 1-shot",
        0.89, 0.27, 0.16, "AFEW val",
        f"{TRAINING}; a test of 16 % cannot be told from 7-way chance, 14.3 %",
    ),
    Published(
        3, "study_3_afew_to_compound", "AFEW train", "4-way 5-shot",
        0.95, 0.12, 0.33, "RAF-DB compound",
        f"{TRAINING}; its support frames came from one clip that the queries could share, here no "
        "clip is on both sides (episodes.disjoint=group); 33 % from 400 "
        "answers is 33 ± 4.6, 4-way chance 25 %",
    ),
    Published(
        4, "study_4_mixed", "RAF-DB basic + AFEW clips", "AFEW val, 4-way 5-shot",
        0.95, 0.12, None, "",
        f"{TRAINING}; the same seven labels on both sides: another domain, not new classes",
    ),
    Published(
        5, "study_5_resnet50", "as 4, supervised ResNet-50", "AFEW val",
        0.18, 2.24, None, "",
        "18 % near the 7-way chance of 14.3 %: an ImageNet ResNet-50 at 18 % is not a working "
        "baseline; the same seven labels: another domain, not new classes",
    ),
    Published(
        6, "study_6_fixed_support", "as 4, less 50 images a class", "AFEW val, every image",
        None, None, None, "",
        "the study prints no number; all seven classes at once, so it can stand beside row 5",
    ),
    Published(
        7, "study_7_balanced", "as 6, about 3,000 a class", "AFEW val, every image",
        None, None, None, "",
        "the study prints no number; what balancing changes is the difference to row 6",
    ),
)  # fmt: skip
