"""D4.4's Table 23 as data: a line, the rules it became, and the rows these make of small cases."""

from tests.spec.table_23.clinical import CLINICAL, FAMILY_HISTORY
from tests.spec.table_23.conventions import RECORDS, VISITS
from tests.spec.table_23.episodes import EPISODES
from tests.spec.table_23.follow_up import FOLLOW_UP
from tests.spec.table_23.images import SERIES
from tests.spec.table_23.imaging import BIOPSY, IMAGING
from tests.spec.table_23.lesions import LESIONS
from tests.spec.table_23.notation import Part
from tests.spec.table_23.pathology import CANCER_DIAGNOSIS, INVASION, PROSTATECTOMY
from tests.spec.table_23.staging import STAGE_TNM
from tests.spec.table_23.treatment import QUALITY, TREATMENT

#: The parts in D4.4's order.
TABLE_23: tuple[Part, ...] = (
    CLINICAL,
    FAMILY_HISTORY,
    IMAGING,
    BIOPSY,
    LESIONS,
    PROSTATECTOMY,
    STAGE_TNM,
    CANCER_DIAGNOSIS,
    INVASION,
    TREATMENT,
    FOLLOW_UP,
    QUALITY,
)
#: What D4.4 asks for elsewhere: in section 4.2.1, in Figure 14 and on the screens.
BEYOND: tuple[Part, ...] = (VISITS, RECORDS, EPISODES, SERIES)
