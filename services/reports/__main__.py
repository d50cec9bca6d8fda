from services.reports.app import service
from shared.runtime import main

main(service)
