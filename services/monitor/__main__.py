from services.monitor.app import service
from shared.runtime import main

main(service)
